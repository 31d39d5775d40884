import { randomUUID } from 'node:crypto';
import { TallymanError } from '../../lib/errors';
import { holdsMark, markFrozen, removeMark } from '../../redis/cut-offs';
import { readShardCount } from '../../redis/usage/read-usage';
import type { Store } from '../../redis/store';

/** Detects, during one run of a close, whether Redis goes back while the frozen totals are read. */
export interface RollbackGuard {
  /**
   * @throws TallymanError `REDIS_WENT_BACK` if the totals that were read since it opened may differ
   *   from the frozen ones
   */
  check(): Promise<void>;
  remove(): Promise<void>;
}

/** Marks a frozen month in every shard. If Redis goes back, it loses the mark.
 *
 * @throws TallymanError `UNFROZEN`, `BEHIND_FREEZE`
 */
export async function openRollbackGuard(store: Store, month: string): Promise<RollbackGuard> {
  const run = randomUUID();
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  for (const shard of shards) await markFrozen(store, shard, month, run);
  return {
    async check() {
      const held = await Promise.all(shards.map((shard) => holdsMark(store, shard, run)));
      if (held.every(Boolean)) return;
      throw new TallymanError(
        'REDIS_WENT_BACK',
        `Redis lost its latest writes while the invoices of ${month} were made. Let the consumers catch up, then run the close again.`,
        { month, shards: shards.filter((shard) => !held[shard]) },
      );
    },
    remove: async () => void (await Promise.all(shards.map((shard) => removeMark(store, shard, run)))),
  };
}
