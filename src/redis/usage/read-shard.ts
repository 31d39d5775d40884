import { parseCopy } from '../../lib/document';
import type { PlacedProject } from './read-usage';
import type { Store } from '../store';

export interface ShardMonth {
  readonly project: string;
  /** Whether the month's set of projects lists it. A close bills only listed projects. */
  readonly isListed: boolean;
  /** Meter, or `<month>@<meter>` -> integer in base units. */
  readonly totals: ReadonlyMap<string, bigint>;
  /** `<day>/<meter>` -> integer in base units. */
  readonly daily: ReadonlyMap<string, bigint>;
}

/** A shard's totals at one point of the log. */
export interface ShardSnapshot {
  /** Topic -> next offset. The totals hold exactly what is before it. */
  readonly cursors: ReadonlyMap<string, number>;
  /** Frozen month -> topic -> next offset at the freeze, in order of month. */
  readonly freezes: ReadonlyMap<string, ReadonlyMap<string, number>>;
  readonly months: readonly ShardMonth[];
}

/**
 * Reads some projects' totals of a month with the cursors and freezes that belong to them, in one
 * atomic step. It blocks Redis while it reads, so it should get a few dozen projects at a time.
 */
export async function readShard(
  store: Store,
  shard: number,
  month: string,
  projects: readonly string[],
): Promise<ShardSnapshot> {
  const { cursor, closed } = store.keys.shard(shard);
  const hashes = projects.flatMap((project) => [
    store.keys.totals(shard, month, project),
    store.keys.daily(shard, month, project),
  ]);
  const keys = [cursor, closed, store.keys.projectsOfMonth(shard, month), ...hashes];
  const [cursors, freezes, listed, ...contents] = await store.redis.readShard(
    keys.length,
    ...keys,
    ...projects,
  );
  const sorted = [...pairsOf(freezes)].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    cursors: new Map([...pairsOf(cursors)].map(([topic, offset]) => [topic, Number(offset)])),
    freezes: new Map(
      sorted.map(([frozen, json]) => [
        frozen,
        new Map(Object.entries(parseCopy('cursors.v1.json', json, `the freeze of ${frozen}`))),
      ]),
    ),
    months: projects.map((project, i) => ({
      project,
      isListed: listed[i] === 1,
      totals: quantitiesOf(contents[2 * i] ?? []),
      daily: quantitiesOf(contents[2 * i + 1] ?? []),
    })),
  };
}

/**
 * A project's month summed over its shards, in the forms of `readTotals` and `readDaily`. Totals
 * and days of a shard are read in one step: if events were counted between two reads, they would
 * not add up to the same.
 */
export async function readTotalsAndDaily(
  store: Store,
  month: string,
  { project, shards }: PlacedProject,
): Promise<{ totals: Map<string, bigint>; daily: Map<string, bigint> }> {
  const snapshots = await Promise.all(shards.map((shard) => readShard(store, shard, month, [project])));
  const held = snapshots.flatMap(({ months }) => months);
  return {
    totals: sumOf(held.map(({ totals }) => totals)),
    daily: sumOf(held.map(({ daily }) => daily)),
  };
}

function sumOf(parts: readonly ReadonlyMap<string, bigint>[]): Map<string, bigint> {
  const sums = new Map<string, bigint>();
  for (const part of parts) {
    for (const [field, quantity] of part) sums.set(field, (sums.get(field) ?? 0n) + quantity);
  }
  return sums;
}

function* pairsOf(flat: readonly string[]): Generator<[string, string]> {
  for (let i = 0; i + 1 < flat.length; i += 2) yield [flat[i]!, flat[i + 1]!];
}

function quantitiesOf(flat: readonly string[]): Map<string, bigint> {
  return new Map([...pairsOf(flat)].map(([field, quantity]) => [field, BigInt(quantity)]));
}
