import type { Logger } from '../../lib/logger';
import type { KafkaClient } from '../../kafka/client';
import { readLedger } from '../../kafka/ledger/ledger';
import { restoreFreeze } from '../../redis/cut-offs';
import { readShardCount } from '../../redis/usage/read-usage';
import type { Store } from '../../redis/store';
import type { CloseRecord } from '../../../schemas/types';

/** The closed months in the ledger, in order: month -> the record of its close. */
export type CloseRecords = ReadonlyMap<string, CloseRecord>;

export async function readCloseRecords(kafka: KafkaClient, prefix: string): Promise<CloseRecords> {
  const records = new Map<string, CloseRecord>();
  await readLedger(kafka, prefix, 'billing.closes', ({ key: month, document }) => {
    if (document === null) records.delete(month);
    else records.set(month, document);
  });
  return new Map([...records].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * Restores every freeze in the ledger to Redis. A Redis that lost its last second may have lost a
 * freeze with it. Without that freeze, late usage would be counted in a month that is already
 * invoiced.
 *
 * @returns the ledger's closes
 * @throws TallymanError `FREEZE_LOST`, `FREEZE_CONFLICT`
 */
export async function restoreCloses(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  logger: Logger,
): Promise<CloseRecords> {
  const records = await readCloseRecords(kafka, prefix);
  for (const record of records.values()) await restoreClose(store, record, logger);
  return records;
}

/** Restores the freezes of one closed month, also to shards that were added later. */
export async function restoreClose(
  store: Store,
  { month, cursors }: CloseRecord,
  logger: Logger,
): Promise<void> {
  const shardCount = Math.max(await readShardCount(store), Object.keys(cursors).length);
  for (let shard = 0; shard < shardCount; shard += 1) {
    const restored = await restoreFreeze(store, shard, month, new Map(Object.entries(cursors[shard] ?? {})));
    if (restored) logger.warn({ month, shard }, 'restored a freeze that Redis did not hold');
  }
}
