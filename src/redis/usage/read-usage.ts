import { TallymanError } from '../../lib/errors';
import { eachPageOfMembers } from '../scan';
import type { Store } from '../store';

/**
 * A project's totals of a month, summed over all shards.
 *
 * @returns meter key, or `<month>@<meter key>` for late usage of that month -> integer in base
 *   units
 */
export function readTotals(store: Store, project: string, month: string): Promise<Map<string, bigint>> {
  return sumOverShards(store, (shard) => store.keys.totals(shard, month, project));
}

/**
 * A project's usage by day, of all that is billed in a month, summed over all shards. Late usage
 * stands under its own day, which then lies in another month; so all days of a meter add up to its
 * totals, late ones included.
 *
 * @returns `<YYYY-MM-DD>/<meter key>` -> integer in base units
 */
export function readDaily(store: Store, project: string, month: string): Promise<Map<string, bigint>> {
  return sumOverShards(store, (shard) => store.keys.daily(shard, month, project));
}

async function sumOverShards(store: Store, keyOf: (shard: number) => string): Promise<Map<string, bigint>> {
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  return sumOf(await store.send(shards.map((shard) => ['hgetall', keyOf(shard)])));
}

function sumOf(hashes: readonly unknown[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const hash of hashes as Record<string, string>[]) {
    for (const field of Object.keys(hash)) sums.set(field, (sums.get(field) ?? 0n) + BigInt(hash[field]!));
  }
  return sums;
}

/**
 * A project with the shards that hold totals of it in a month: one, unless its events came under
 * several keys.
 */
export interface PlacedProject {
  readonly project: string;
  readonly shards: readonly number[];
}

/** Finds the shards of each project: none where a project has no totals in the month. */
export async function placeProjects(
  store: Store,
  month: string,
  projects: readonly string[],
): Promise<PlacedProject[]> {
  if (projects.length === 0) return [];
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  const answers = (await store.send(
    shards.map((shard) => ['smismember', store.keys.projectsOfMonth(shard, month), ...projects]),
  )) as number[][];
  return projects.map((project, i) => ({
    project,
    shards: shards.filter((shard) => answers[shard]![i] === 1),
  }));
}

/** The totals, as `readTotals` has them, of several projects; in their order. */
export function readTotalsOf(
  store: Store,
  month: string,
  projects: readonly PlacedProject[],
): Promise<Map<string, bigint>[]> {
  return sumEach(store, projects, (shard, project) => store.keys.totals(shard, month, project));
}

/** The usage by day, as `readDaily` has it, of several projects; in their order. */
export function readDailyOf(
  store: Store,
  month: string,
  projects: readonly PlacedProject[],
): Promise<Map<string, bigint>[]> {
  return sumEach(store, projects, (shard, project) => store.keys.daily(shard, month, project));
}

async function sumEach(
  store: Store,
  projects: readonly PlacedProject[],
  keyOf: (shard: number, project: string) => string,
): Promise<Map<string, bigint>[]> {
  const commands = projects.flatMap(({ project, shards }) =>
    shards.map((shard) => ['hgetall', keyOf(shard, project)] as const),
  );
  const hashes = await store.send(commands);
  let next = 0;
  return projects.map(({ shards }) => sumOf(hashes.slice(next, (next += shards.length))));
}

/**
 * The projects that have totals in a month, each once, in no order, page by page. Holds the names
 * of one shard's projects at a time. One whose first usage of the month is applied meanwhile may be
 * missed.
 */
export async function* eachPageOfProjectsWithTotals(
  store: Store,
  month: string,
): AsyncGenerator<PlacedProject[], void, undefined> {
  const shardCount = await readShardCount(store);
  for (let shard = 0; shard < shardCount; shard += 1) {
    for await (const page of eachPageOfProjectsIn(store, shard, month)) {
      // One that stands in an earlier shard too was shown with that.
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
  for await (const page of eachPageOfMembers(store, store.keys.projectsOfMonth(shard, month))) {
    if (page.length > 0) yield await placeProjects(store, month, page);
  }
}

/** As `eachPageOfProjectsWithTotals`, the names one by one. */
export async function* projectsOf(store: Store, month: string): AsyncGenerator<string, void, undefined> {
  for await (const page of eachPageOfProjectsWithTotals(store, month)) {
    for (const { project } of page) yield project;
  }
}

/** How many projects have totals in a month; one that stands in several shards counts in each. */
export async function countProjects(store: Store, month: string): Promise<number> {
  const shards = Array.from({ length: await readShardCount(store) }, (_, shard) => shard);
  const counts = await store.send(shards.map((shard) => ['scard', store.keys.projectsOfMonth(shard, month)]));
  return (counts as number[]).reduce((sum, count) => sum + count, 0);
}

/** So many keys are asked for in one command. */
const MONTHS_AT_ONCE = 120;

/** Those of the months in which any project has totals, in their order. */
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
    if (!(await hasUsage(some))) continue; // Nearly all are long past.
    for (const month of some) if (await hasUsage([month])) found.push(month);
  }
  return found;
}

/**
 * The number of shards that Redis has noted; undefined for none. What decides is Kafka's number of
 * partitions.
 */
export async function findShardCount(store: Store): Promise<number | undefined> {
  const count = await store.redis.get(store.keys.shardCount);
  return count === null ? undefined : Number(count);
}

/**
 * The number of shards, which is the usage topics' number of partitions. For readers of Redis
 * alone: a note that was lost, or is older than the last shard, is told by the shard beyond it.
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
 * Notes the number of shards. It may grow, as partitions may.
 *
 * @throws TallymanError `FEWER_SHARDS` for a smaller one: readers would no longer see the totals of
 *   the others
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
