import { TallymanError } from '../errors';
import { eachPageOfMembers } from './each-member';
import type { Store } from './store';

/**
 * A project's totals of a month, summed over all shards.
 *
 * @returns meter key, or `<month>@<meter key>` for late usage of that month -> integer in base units
 */
export function readTotals(store: Store, project: string, month: string): Promise<Map<string, bigint>> {
  return sumOverShards(store, (shard) => store.keys.totals(shard, month, project));
}

/**
 * A project's usage by day, of all that is billed in a month, summed over all shards. Late usage stands under its own
 * day, which then lies in another month; so all days of a meter add up to its totals, late ones included.
 *
 * @returns `<YYYY-MM-DD>/<meter key>` -> integer in base units
 */
export function readDaily(store: Store, project: string, month: string): Promise<Map<string, bigint>> {
  return sumOverShards(store, (shard) => store.keys.daily(shard, month, project));
}

async function sumOverShards(store: Store, keyOf: (shard: number) => string): Promise<Map<string, bigint>> {
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  const hashes = await Promise.all(shards.map((shard) => store.redis.hgetall(keyOf(shard))));
  const sums = new Map<string, bigint>();
  for (const hash of hashes) {
    for (const [field, quantity] of Object.entries(hash)) {
      sums.set(field, (sums.get(field) ?? 0n) + BigInt(quantity));
    }
  }
  return sums;
}

/**
 * The projects that have totals in a month, each once, in no order. Holds the projects of one shard at a time.
 * One whose first usage of the month is applied meanwhile may be missed.
 */
export async function* projectsOf(store: Store, month: string): AsyncGenerator<string, void, undefined> {
  const shardCount = await readShardCount(store);
  for (let shard = 0; shard < shardCount; shard += 1) {
    for await (const page of eachPageOfMembers(store, store.keys.projectsOfMonth(shard, month))) {
      yield* await notInShardsBelow(store, shard, month, page);
    }
  }
}

/** Whether any project has totals in a month. */
export async function hasUsage(store: Store, shardCount: number, month: string): Promise<boolean> {
  const keys = Array.from({ length: shardCount }, (_, shard) => store.keys.projectsOfMonth(shard, month));
  const found = await Promise.all(keys.map((key) => store.redis.exists(key)));
  return found.includes(1);
}

/** Those that an earlier shard has not shown: a project stands in several when its events came under several keys. */
async function notInShardsBelow(
  store: Store,
  shard: number,
  month: string,
  projects: string[],
): Promise<string[]> {
  if (projects.length === 0) return [];
  const below = Array.from({ length: shard }, (_, other) => store.keys.projectsOfMonth(other, month));
  const answers = await Promise.all(below.map((key) => store.redis.smismember(key, ...projects)));
  return projects.filter((_, i) => answers.every((shown) => shown[i] === 0));
}

/**
 * The number of shards, which is the usage topics' number of partitions.
 *
 * @throws TallymanError `UNINITIALISED`
 */
export async function readShardCount(store: Store): Promise<number> {
  const count = await store.redis.get(store.keys.shardCount);
  if (count === null) {
    throw new TallymanError(
      'UNINITIALISED',
      'Redis does not know the number of shards: run `tallyman init`.',
    );
  }
  return Number(count);
}

/**
 * Notes the number of shards. It may grow, as partitions may.
 *
 * @throws TallymanError `FEWER_SHARDS` for a smaller one: readers would no longer see the totals of the others
 */
export async function writeShardCount(store: Store, count: number): Promise<void> {
  const before = Number((await store.redis.get(store.keys.shardCount)) ?? 0);
  if (count < before) {
    throw new TallymanError(
      'FEWER_SHARDS',
      `Redis holds ${before} shards, the topics have ${count} partitions.`,
      {
        before,
        count,
      },
    );
  }
  await store.redis.set(store.keys.shardCount, count);
}
