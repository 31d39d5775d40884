import { TallymanError } from '../lib/errors';
import { findShardCount, writeShardCount } from '../redis/usage/read-usage';
import type { Store } from '../redis/store';
import { fewerShards } from './layout';

/**
 * Compares the number of shards in Redis with that of the layout, which decides. Redis may
 * have lost this number alone, or gone back to a smaller one. Readers would then leave out whole
 * shards.
 *
 * @throws TallymanError `FEWER_SHARDS` if Redis has more shards; `SHARDS_STALE` otherwise
 */
export async function checkShardCount(store: Store, shards: number): Promise<void> {
  const noted = await findShardCount(store);
  if (noted === shards) return;
  if (noted !== undefined && noted > shards) throw fewerShards(noted, shards);
  throw new TallymanError(
    'SHARDS_STALE',
    `Redis has ${noted === undefined ? 'no number' : `${noted}`} of shards noted, and this installation has ${shards}: ` +
      'Redis has lost a write. Run `tallyman init`.',
    { noted, shards },
  );
}

/**
 * Stores the number of shards in Redis if Redis has lost it. It must only be called after every
 * partition was found to have a cursor: new ones get theirs by `tallyman grow`.
 *
 * @returns whether Redis had another number
 * @throws TallymanError `FEWER_SHARDS`
 */
export async function restoreShardCount(store: Store, shards: number): Promise<boolean> {
  const noted = await findShardCount(store);
  if (noted === shards) return false;
  await writeShardCount(store, shards);
  return true;
}
