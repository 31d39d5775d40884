import { TallymanError } from '../../lib/errors';
import { shardCountOf } from '../rebuilding';
import { eachPageOfListed, hasLeft, hasLeftCommands, readLeftMonth, readMonthIndex } from './left-months';
import { describeDamage, quantityOf } from './quantity';
import type { Store } from '../store';

/**
 * A project's totals of a month, summed over all shards.
 *
 * @returns meter key, or `<month>@<meter key>` for late usage of that month -> integer in base
 *   units
 * @throws TallymanError `DOCUMENT_DAMAGED`
 */
export async function readTotals(store: Store, project: string, month: string): Promise<Map<string, bigint>> {
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  const keys = shards.map((shard) => store.keys.totals(shard, month, project));
  // Totals come first: where they are missing because the month left, that was noted before.
  const answers = await store.send([
    ...keys.map((key) => ['hgetall', key] as const),
    ...shards.flatMap((shard) => hasLeftCommands(store, shard, month)),
  ]);
  const sums = new Map<string, bigint>();
  const left = shards.filter((shard) => hasLeftIn(month, answers.slice(shards.length), shard));
  for (const shard of left) {
    const held = (await readLeftMonth(store, shard, month, [project])).get(project);
    for (const [field, quantity] of held?.totals ?? []) sums.set(field, (sums.get(field) ?? 0n) + quantity);
  }
  const hashes = answers.slice(0, shards.length) as Record<string, string>[];
  for (const [i, hash] of hashes.entries()) {
    if (left.includes(i)) continue;
    for (const [field, found] of Object.entries(hash)) {
      const quantity = quantityOf(found);
      if (quantity === undefined)
        throw new TallymanError('DOCUMENT_DAMAGED', describeDamage({ key: keys[i]!, field, found }));
      sums.set(field, (sums.get(field) ?? 0n) + quantity);
    }
  }
  return sums;
}

/** Whether a month has left a shard, by the answers to the `hasLeftCommands` of all shards. */
const hasLeftIn = (month: string, answers: readonly unknown[], shard: number): boolean =>
  hasLeft(month, answers.slice(2 * shard, 2 * shard + 2));

/**
 * A project with the shards that hold totals of it in a month. It is one shard, unless its events
 * came under several keys.
 */
export interface PlacedProject {
  readonly project: string;
  readonly shards: readonly number[];
}

/** Finds the shards of each project. There are none if a project has no totals in the month. */
export async function placeProjects(
  store: Store,
  month: string,
  projects: readonly string[],
): Promise<PlacedProject[]> {
  if (projects.length === 0) return [];
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  const answers = await store.send([
    ...shards.map((shard) => ['smismember', store.keys.projectsOfMonth(shard, month), ...projects] as const),
    ...shards.flatMap((shard) => hasLeftCommands(store, shard, month)),
  ]);
  const listed = await Promise.all(
    shards.map(async (shard) => {
      if (!hasLeftIn(month, answers.slice(shards.length), shard)) {
        const isMember = answers[shard] as number[];
        return new Set(projects.filter((_, i) => isMember[i] === 1));
      }
      return new Set((await readLeftMonth(store, shard, month, projects)).keys());
    }),
  );
  return projects.map((project) => ({
    project,
    shards: shards.filter((shard) => listed[shard]!.has(project)),
  }));
}

/**
 * The projects that have totals in a month, each once, unordered, page by page. It holds the names
 * of one shard's projects at a time. It may miss a project whose first usage of the month is
 * applied meanwhile.
 */
export async function* eachPageOfProjectsWithTotals(
  store: Store,
  month: string,
): AsyncGenerator<PlacedProject[], void, undefined> {
  const shardCount = await readShardCount(store);
  for (let shard = 0; shard < shardCount; shard += 1) {
    for await (const page of eachPageOfProjectsIn(store, shard, month)) {
      // A project that is also in an earlier shard was returned with that shard.
      const placed = page.filter(({ shards }) => shards[0] === shard);
      if (placed.length > 0) yield placed;
    }
  }
}

/**
 * The projects that have totals in one shard, page by page, each with all shards that hold totals
 * of it.
 */
export async function* eachPageOfProjectsIn(
  store: Store,
  shard: number,
  month: string,
): AsyncGenerator<PlacedProject[], void, undefined> {
  for await (const page of eachPageOfListed(store, shard, month)) {
    if (page.length > 0) yield await placeProjects(store, month, page);
  }
}

/** Like `eachPageOfProjectsWithTotals`, one name at a time. */
export async function* projectsOf(store: Store, month: string): AsyncGenerator<string, void, undefined> {
  for await (const page of eachPageOfProjectsWithTotals(store, month)) {
    for (const { project } of page) yield project;
  }
}

/** How many projects have totals in a month. A project in several shards counts in each. */
export async function countProjects(store: Store, month: string): Promise<number> {
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  const counts = await store.send(shards.map((shard) => ['scard', store.keys.projectsOfMonth(shard, month)]));
  const left = await Promise.all(shards.map((shard) => readMonthIndex(store, shard, month)));
  return (counts as number[]).reduce((sum, count, shard) => sum + (left[shard]?.projects ?? count), 0);
}

/** How many keys one command reads. */
const MONTHS_AT_ONCE = 120;

/** The given months in which any project has totals, in their order. */
export async function monthsWithUsage(
  store: Store,
  shardCount: number,
  months: readonly string[],
): Promise<string[]> {
  const shards = Array.from({ length: shardCount }, (_, shard) => shard);
  const hasUsage = async (some: readonly string[]): Promise<boolean> => {
    const counts = await store.send(
      shards.map((shard) => ['exists', ...some.map((month) => store.keys.projectsOfMonth(shard, month))]),
    );
    return (counts as number[]).some((count) => count > 0);
  };
  const found: string[] = [];
  for (let from = 0; from < months.length; from += MONTHS_AT_ONCE) {
    const some = months.slice(from, from + MONTHS_AT_ONCE);
    if (!(await hasUsage(some))) continue; // Nearly all months have none.
    for (const month of some) if (await hasUsage([month])) found.push(month);
  }
  return found;
}

/**
 * The number of shards in Redis; undefined if there is none. Kafka's number of partitions is what
 * decides.
 */
export async function findShardCount(store: Store): Promise<number | undefined> {
  return shardCountOf(await store.redis.get(store.keys.shardCount));
}

/**
 * The number of shards, for readers of Redis alone. It should equal the partitions of the usage
 * topics. If Redis lost the number, or holds an older one, there is a shard beyond it, which shows
 * this.
 *
 * @throws TallymanError `UNINITIALISED`, `SHARDS_STALE`
 */
export async function readShardCount(store: Store): Promise<number> {
  const count = await findShardCount(store);
  const hasMore = (await store.redis.exists(store.keys.shard(count ?? 0).cursor)) === 1;
  if (hasMore) {
    throw new TallymanError(
      'SHARDS_STALE',
      `Redis has ${count === undefined ? 'no number' : `${count}`} of shards noted and holds more: it has lost a write. ` +
        'Run `tallyman init`.',
      { noted: count },
    );
  }
  if (count === undefined) {
    throw new TallymanError(
      'UNINITIALISED',
      'Redis does not contain the number of shards. If it was emptied, run `tallyman rebuild`. For a new installation, run ' +
        '`tallyman init`.',
    );
  }
  return count;
}

/**
 * Stores the number of shards. It may grow, as partitions may.
 *
 * @throws TallymanError `FEWER_SHARDS` for a smaller number, with which readers would miss the
 *   totals of the other shards
 */
export async function writeShardCount(store: Store, count: number): Promise<void> {
  const before = (await findShardCount(store)) ?? 0;
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

/** Those of `keys` that exist, in their order. */
export async function existingKeys(store: Store, keys: readonly string[]): Promise<string[]> {
  const counts = await store.send(keys.map((key) => ['exists', key]));
  return keys.filter((_, i) => counts[i] === 1);
}
