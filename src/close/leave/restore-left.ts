import { TallymanError } from '../../lib/errors';
import type { KafkaClient } from '../../kafka/client';
import { clearMonth } from '../../redis/usage/frozen-month';
import { restoreMonthIndex } from '../../redis/usage/leave';
import { hasLeft, hasLeftCommands } from '../../redis/usage/left-months';
import { buildMonthIndex } from '../../redis/usage/month-index';
import type { Store } from '../../redis/store';
import { indexLedger } from './index-ledger';

/**
 * Searches the ledger for months that have left Redis, or that a rebuild does not restore there,
 * and notes where it holds them. It may be repeated.
 *
 * @param isReplayed whether a rebuild has counted the months. It deletes that from all shards,
 *   because the log may no longer hold all of their events. Otherwise a shard that still holds a
 *   month, and has not begun to let it leave, keeps it: what it holds was not compared.
 * @throws TallymanError `LEDGER_MOVED` if the ledger does not hold all of a month
 */
export async function restoreLeftMonths(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  shardCount: number,
  months: readonly string[],
  isReplayed: boolean,
): Promise<void> {
  if (months.length === 0) return;
  const found = await indexLedger(kafka, prefix, months);
  for (const month of months) {
    const shards = found.get(month);
    if (shards === undefined)
      throw new TallymanError(
        'LEDGER_MOVED',
        `${month} has left Redis, and billing.totals does not hold all of it. Restore the topic from a copy.`,
        { month },
      );
    for (let shard = 0; shard < shardCount; shard += 1) {
      const isListed = (await store.redis.exists(store.keys.projectsOfMonth(shard, month))) === 1;
      const answers = await store.send(hasLeftCommands(store, shard, month));
      if (!isReplayed && isListed && !hasLeft(month, answers)) continue;
      await restoreMonthIndex(store, shard, month, shards.get(shard) ?? buildMonthIndex([]));
      if (isReplayed) await clearMonth(store, shard, month);
    }
  }
}
