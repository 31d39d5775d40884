import { TallymanError } from '../lib/errors';
import { findShardCount, writeShardCount } from '../redis/usage/read-usage';
import type { Store } from '../redis/store';

/**
 * Compares the number of shards in Redis with the number of partitions, which decides. Redis may
 * have lost this number alone, or gone back to a smaller one. Readers would then leave out whole
 * shards.
 *
 * @throws TallymanError `FEWER_SHARDS` if there are fewer partitions than shards; `SHARDS_STALE`
 *   otherwise
 */
export async function checkShardCount(store: Store, partitionCount: number): Promise<void> {
  const noted = await findShardCount(store);
  if (noted === partitionCount) return;
  if (noted !== undefined && noted > partitionCount) throw fewerShards(noted, partitionCount);
  throw new TallymanError(
    'SHARDS_STALE',
    `Redis has ${noted === undefined ? 'no number' : `${noted}`} of shards noted, and the usage topics have ${partitionCount} ` +
      'partitions: Redis has lost a write. Run `tallyman init`.',
    { noted, partitionCount },
  );
}

/**
 * Stores the number of partitions in Redis if Redis has lost it. It must only be called after every
 * partition was found to have a cursor: new partitions get theirs by `tallyman init`.
 *
 * @returns whether Redis had another number
 * @throws TallymanError `FEWER_SHARDS`
 */
export async function restoreShardCount(store: Store, partitionCount: number): Promise<boolean> {
  const noted = await findShardCount(store);
  if (noted === partitionCount) return false;
  await writeShardCount(store, partitionCount);
  return true;
}

function fewerShards(before: number, count: number): TallymanError {
  return new TallymanError(
    'FEWER_SHARDS',
    `Redis holds ${before} shards, and the usage topics have ${count} partitions: they are not the topics that were counted.`,
    { before, count },
  );
}
