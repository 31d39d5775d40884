import { isDeepStrictEqual } from 'node:util';
import { TallymanError } from '../lib/errors';
import type { Logger } from '../lib/logger';
import type { KafkaClient } from '../kafka/client';
import { appendLedger } from '../kafka/ledger/ledger';
import type { Publisher } from '../kafka/producer';
import { topicName } from '../kafka/topics/topics';
import { freeze } from '../redis/cut-offs';
import { readShardCount } from '../redis/usage/read-usage';
import type { Store } from '../redis/store';
import type { CloseRecord } from '../../schemas/types';
import { readCloseRecords, restoreClose } from '../installation/ledgers/restore-closes';
import { openRollbackGuard, type RollbackGuard } from './guards/rollback-guard';

export interface FreezeDependencies {
  readonly kafka: KafkaClient;
  readonly store: Store;
  readonly publisher: Publisher;
  readonly prefix: string;
  readonly logger: Logger;
}

export interface FrozenMonth {
  readonly record: CloseRecord;
  /** Shows whether the totals that are read are still those that were frozen. */
  readonly guard: RollbackGuard;
}

/**
 * Freezes a month in every shard, publishes the offsets, and opens a rollback guard. The record is
 * final once it is in the ledger, and freezes that Redis loses are restored from there.
 *
 * @param topicIds topic -> its id, of the topics that the cursors belong to
 * @param nowMs the close's date, unless the record is published already
 * @throws TallymanError `FREEZE_LOST`, `BEHIND_FREEZE`, `UNFROZEN`
 */
export async function freezeMonth(
  dependencies: FreezeDependencies,
  month: string,
  topicIds: ReadonlyMap<string, string>,
  nowMs: number,
): Promise<FrozenMonth> {
  const { kafka, store, prefix, logger } = dependencies;
  const closes = await readCloseRecords(kafka, prefix);
  const published = closes.get(month);
  const terms = { month, closedAt: new Date(nowMs).toISOString(), topicIds: Object.fromEntries(topicIds) };
  const record = published ?? (await freezeAndPublish(dependencies, terms, [...closes.values()]));
  await restoreClose(store, record, logger);
  return { record, guard: await openRollbackGuard(store, month) };
}

/**
 * Each shard is checked twice before the record is published: if Redis lost a freeze in between, it
 * has continued to count, and is now frozen at another offset. Redis shows the record only once the
 * ledger holds it, because one close at a time publishes.
 */
async function freezeAndPublish(
  { store, publisher, prefix, logger }: FreezeDependencies,
  terms: Omit<CloseRecord, 'cursors'>,
  closes: readonly CloseRecord[],
): Promise<CloseRecord> {
  const { month } = terms;
  for (;;) {
    const record: CloseRecord = { ...terms, cursors: await freezeShards(store, month) };
    if (isDeepStrictEqual(await freezeShards(store, month), record.cursors)) {
      checkAfterEarlier(record, closes);
      const value = JSON.stringify(record);
      await appendLedger(publisher, topicName(prefix, 'billing.closes'), [{ key: month, value }]);
      return record;
    }
    logger.warn({ month }, 'a freeze was lost before its record was published; freezing again');
  }
}

/**
 * If Redis lost an earlier month's freeze and its latest writes, it has frozen this month at lower
 * offsets than that one.
 */
function checkAfterEarlier({ month, cursors }: CloseRecord, closes: readonly CloseRecord[]): void {
  for (const earlier of closes) {
    if (earlier.month >= month) continue;
    for (const [shard, topics] of Object.entries(earlier.cursors)) {
      for (const [topic, offset] of Object.entries(topics)) {
        const frozenAt = cursors[shard]?.[topic] ?? 0;
        if (frozenAt >= offset) continue;
        throw new TallymanError(
          'FREEZE_CONFLICT',
          `Shard ${shard} froze ${month} at ${frozenAt} of ${topic}, before ${earlier.month}, which was frozen at ` +
            `${offset}. Redis has lost that freeze. Stop the consumers, run \`tallyman rebuild --empty\`, then close again.`,
          { shard, topic, month, earlier: earlier.month },
        );
      }
    }
  }
}

async function freezeShards(store: Store, month: string): Promise<Record<string, Record<string, number>>> {
  const cursors: Record<string, Record<string, number>> = {};
  const shardCount = await readShardCount(store);
  for (let shard = 0; shard < shardCount; shard += 1) {
    cursors[shard] = Object.fromEntries(await freeze(store, shard, month));
  }
  return cursors;
}
