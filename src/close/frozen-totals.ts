import { eachConcurrently } from '../lib/process/concurrently';
import { createProgress } from '../lib/progress';
import type { KafkaClient } from '../kafka/client';
import { appendLedger, readLedger, readLedgerPages } from '../kafka/ledger/ledger';
import type { Publisher } from '../kafka/producer';
import { topicName } from '../kafka/topics/topics';
import type { FrozenPart } from '../../schemas/types';
import { clearMonth, readFrozenMonth, writeFrozenPart } from '../redis/usage/frozen-month';
import { readShardCount } from '../redis/usage/read-usage';
import type { Store } from '../redis/store';

const LEDGER = 'billing.totals';

/** While one part is read from Redis, another one is on its way to Kafka. */
const SHARDS_AT_ONCE = 3;

/**
 * Publishes the totals of a frozen month to `billing.totals`, and finally that they are complete.
 * Late usage is priced by its own month's totals more than a year later, and retention removes that
 * month's events long before.
 *
 * @param mayTrust rejects if the totals that were read are not those that were frozen
 */
export async function publishFrozenTotals(
  { store, publisher, prefix }: { store: Store; publisher: Publisher; prefix: string },
  month: string,
  mayTrust: () => Promise<void>,
): Promise<void> {
  const topic = topicName(prefix, LEDGER);
  const shardCount = await readShardCount(store);
  const progress = createProgress(`close ${month}: totals`);
  let published = 0;
  await eachConcurrently(new Array(shardCount).keys(), SHARDS_AT_ONCE, async (shard) => {
    for await (const parts of readFrozenMonth(store, shard, month)) {
      await appendLedger(
        publisher,
        topic,
        parts.map((part) => ({ key: keyOf(part), value: JSON.stringify(part) })),
      );
    }
    progress.update((published += 1), shardCount, 'shards');
  });
  progress.end();
  await mayTrust();
  await appendLedger(publisher, topic, [{ key: month, value: JSON.stringify({ month }) }]);
}

/** The months that are complete in the ledger. */
export async function monthsWithFrozenTotals(client: KafkaClient, prefix: string): Promise<Set<string>> {
  const months = new Set<string>();
  await readLedger(client, prefix, LEDGER, ({ key, value }) => {
    if (value !== null && !key.includes('/')) months.add(key);
  });
  return months;
}

const keyOf = ({ month, shard, project, part }: FrozenPart): string => `${month}/${shard}/${project}/${part}`;

/** How many parts are on their way to Redis at a time. */
const WRITTEN_AT_ONCE = 200;

/**
 * Restores closed months in Redis as they were frozen, and replaces the result of the replay,
 * because the log may no longer hold all of their events. Only for months that no shard counts any
 * more. It may be repeated.
 */
export async function restoreFrozenTotals(
  client: KafkaClient,
  store: Store,
  prefix: string,
  shardCount: number,
  months: readonly string[],
): Promise<void> {
  for (const month of months) {
    for (let shard = 0; shard < shardCount; shard += 1) await clearMonth(store, shard, month);
  }
  const progress = createProgress('rebuild: closed months');
  const wanted = new Set(months);
  let count = 0;
  for await (const records of readLedgerPages(client, prefix, LEDGER)) {
    const parts = records.flatMap(({ document }) => document ?? []).filter(({ month }) => wanted.has(month));
    for (let from = 0; from < parts.length; from += WRITTEN_AT_ONCE) {
      await Promise.all(
        parts.slice(from, from + WRITTEN_AT_ONCE).map((part) => writeFrozenPart(store, part)),
      );
    }
    count += parts.length;
    progress.update(count);
  }
  progress.end();
}
