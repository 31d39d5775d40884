import { parseCopy } from '../../lib/document';
import { TallymanError } from '../../lib/errors';
import { describeDamage, quantityOf, type DamagedQuantity } from './quantity';
import { readLeftMonth, type ProjectUsage } from './left-months';
import type { PlacedProject } from './read-usage';
import type { Store } from '../store';

/** What one shard holds of it. */
export interface ShardMonth extends ProjectUsage {
  readonly project: string;
  /** Whether the month's set of projects lists it. A close bills only listed projects. */
  readonly isListed: boolean;
  /** What is stored as a quantity and is none; it is missing in `totals` and `daily`. */
  readonly damaged: readonly DamagedQuantity[];
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
  const { cursor, closed, left, writes } = store.keys.shard(shard);
  const hashes = projects.flatMap((project) => [
    store.keys.totals(shard, month, project),
    store.keys.daily(shard, month, project),
  ]);
  const keys = [cursor, closed, store.keys.projectsOfMonth(shard, month), left, writes, ...hashes];
  const [cursors, freezes, listed, hasLeft, ...contents] = await store.redis.readShard(
    keys.length,
    ...keys,
    month,
    ...projects,
  );
  // A closed month does not change, so what the ledger holds of it belongs to any cursors.
  const inLedger = hasLeft === 1 ? await readLeftMonth(store, shard, month, projects) : undefined;
  return {
    cursors: new Map(pairsOf(cursors).map(([topic, offset]) => [topic, Number(offset)])),
    // Parsed on demand: there is one more each month, and a close does not need them.
    get freezes() {
      const sorted = pairsOf(freezes).sort(([a], [b]) => (a < b ? -1 : 1));
      return new Map(
        sorted.map(([frozen, json]) => [
          frozen,
          new Map(Object.entries(parseCopy('cursors.v1.json', json, `the freeze of ${frozen}`))),
        ]),
      );
    },
    months: projects.map((project, i) => {
      if (inLedger !== undefined) return shardMonthOf(project, inLedger.get(project));
      const damaged: DamagedQuantity[] = [];
      const quantities = (at: number): Map<string, bigint> =>
        quantitiesOf(contents[at] ?? [], (field, found) => damaged.push({ key: hashes[at]!, field, found }));
      return {
        ...{ project, isListed: listed[i] === 1 },
        ...{ totals: quantities(2 * i), daily: quantities(2 * i + 1), damaged },
      };
    }),
  };
}

const shardMonthOf = (project: string, held: ProjectUsage | undefined): ShardMonth => ({
  ...{ project, isListed: held !== undefined, damaged: [] },
  ...{ totals: held?.totals ?? new Map(), daily: held?.daily ?? new Map() },
});

/**
 * Refuses a project's usage that is damaged, because a sum without it would be too small.
 *
 * @throws TallymanError `DOCUMENT_DAMAGED`
 */
export function checkUndamaged({ damaged }: ShardMonth): void {
  const [first] = damaged;
  if (first !== undefined) throw new TallymanError('DOCUMENT_DAMAGED', describeDamage(first), { damaged });
}

/** Redis is blocked while it reads this many projects of a shard. */
const PROJECTS_AT_ONCE = 50;

/**
 * What a shard holds of any number of projects in a month, in their order, some projects in one
 * atomic step each.
 */
export async function readMonths(
  store: Store,
  shard: number,
  month: string,
  projects: readonly string[],
): Promise<ShardMonth[]> {
  const reads: Promise<ShardSnapshot>[] = [];
  for (let from = 0; from < projects.length; from += PROJECTS_AT_ONCE)
    reads.push(readShard(store, shard, month, projects.slice(from, from + PROJECTS_AT_ONCE)));
  return (await Promise.all(reads)).flatMap(({ months }) => months);
}

/**
 * The usage of several projects in a month, in their order. Totals and days of a shard are read in
 * one step: read one after the other while events are counted, they do not add up to the same.
 *
 * @throws TallymanError `DOCUMENT_DAMAGED`
 */
export async function readUsage(
  store: Store,
  month: string,
  projects: readonly PlacedProject[],
): Promise<ProjectUsage[]> {
  const found = projects.map(() => ({ totals: new Map<string, bigint>(), daily: new Map<string, bigint>() }));
  const byShard = new Map<number, { readonly project: string; readonly at: number }[]>();
  for (const [at, { project, shards }] of projects.entries()) {
    for (const shard of shards) {
      const members = byShard.get(shard);
      if (members === undefined) byShard.set(shard, [{ project, at }]);
      else members.push({ project, at });
    }
  }
  await Promise.all(
    [...byShard].map(async ([shard, members]) => {
      const names = members.map(({ project }) => project);
      (await readMonths(store, shard, month, names)).forEach((held, i) => {
        checkUndamaged(held);
        const usage = found[members[i]!.at]!;
        addTo(usage.totals, held.totals);
        addTo(usage.daily, held.daily);
      });
    }),
  );
  return found;
}

function addTo(sums: Map<string, bigint>, part: ReadonlyMap<string, bigint>): void {
  for (const [field, quantity] of part) sums.set(field, (sums.get(field) ?? 0n) + quantity);
}

function pairsOf(flat: readonly string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i]!, flat[i + 1]!]);
  return pairs;
}

function quantitiesOf(
  flat: readonly string[],
  onDamaged: (field: string, found: string) => void,
): Map<string, bigint> {
  const quantities = new Map<string, bigint>();
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const [field, text] = [flat[i]!, flat[i + 1]!];
    const quantity = quantityOf(text);
    if (quantity === undefined) onDamaged(field, text);
    else quantities.set(field, quantity);
  }
  return quantities;
}
