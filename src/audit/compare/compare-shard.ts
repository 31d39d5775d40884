import { eachPageOfListed } from '../../redis/usage/left-months';
import { readShard, type ShardMonth, type ShardSnapshot } from '../../redis/usage/read-shard';
import type { Store } from '../../redis/store';
import { differingFields, type Difference } from './difference';
import type { ShardRecount } from '../shard-recount';
import { lateField, monthOf } from '../../rating/month';

/** How many projects are read in one atomic step, which must not hold up the consumers. */
const PAGE_PROJECTS = 50;

export interface ShardComparison {
  readonly store: Store;
  readonly shard: number;
  readonly recount: ShardRecount;
  /** Continues the recount up to the cursors of a snapshot. */
  readonly follow: (snapshot: ShardSnapshot) => Promise<void>;
  readonly onDifference: (difference: Difference) => void;
}

/**
 * Compares a month in a shard with its recount, some projects at a time. The consumers continue
 * meanwhile. So each page is read together with its cursors, and the recount continues up to
 * exactly there.
 *
 * @param isRecounted false if the log does not hold the whole month; then Redis is compared only
 *   with itself
 */
export async function compareMonth(
  comparison: ShardComparison,
  month: string,
  isRecounted: boolean,
): Promise<void> {
  const { store, shard, recount, follow, onDifference } = comparison;
  for await (const projects of pages(comparison, month)) {
    const snapshot = await readShard(store, shard, month, projects);
    await follow(snapshot);
    for (const found of snapshot.months) {
      const at = { month, project: found.project, shard };
      for (const difference of daysThatDoNotAddUp(month, found)) onDifference({ ...at, ...difference });
      if (!isRecounted) continue;
      const expected = recount.months.get(month)?.get(found.project);
      if (expected !== undefined && !found.isListed) {
        onDifference({ kind: 'not_listed', ...at, expected: 'listed', found: null });
      }
      for (const kind of ['total', 'daily'] as const) {
        const of = kind === 'total' ? 'totals' : 'daily';
        for (const { field, ...quantities } of differingFields(expected?.[of] ?? new Map(), found[of])) {
          onDifference({ kind, ...at, field, ...shownQuantities(quantities) });
        }
      }
    }
  }
}

/** The projects that Redis or the recount contains in a month. */
async function* pages(
  { store, shard, recount }: ShardComparison,
  month: string,
): AsyncGenerator<string[], void, undefined> {
  const shown = new Set<string>();
  for await (const members of eachPageOfListed(store, shard, month)) {
    members.forEach((project) => shown.add(project));
    yield* pagesOf(members);
  }
  yield* pagesOf([...(recount.months.get(month)?.keys() ?? [])].filter((project) => !shown.has(project)));
}

function* pagesOf(projects: readonly string[]): Generator<string[]> {
  for (let from = 0; from < projects.length; from += PAGE_PROJECTS)
    yield projects.slice(from, from + PAGE_PROJECTS);
}

/** Compares a month in Redis with itself: the days of each meter must add up to its total. */
export function* daysThatDoNotAddUp(
  month: string,
  { totals, daily, damaged }: ShardMonth,
): Generator<Pick<Difference, 'kind' | 'field' | 'expected' | 'found'>> {
  yield* damagedQuantities(damaged);
  const sums = new Map<string, bigint>();
  for (const [dayField, quantity] of daily) {
    const day = dayField.slice(0, 10);
    const meter = dayField.slice(11);
    const field = day.startsWith(`${month}-`) ? meter : lateField(monthOf(day), meter);
    sums.set(field, (sums.get(field) ?? 0n) + quantity);
  }
  // Days of late usage may add up to nothing, and a total of zero is not stored.
  for (const [field, sum] of sums) if (sum === 0n) sums.delete(field);
  for (const { field, ...quantities } of differingFields(totals, sums)) {
    yield { kind: 'days_sum', field, ...shownQuantities(quantities) };
  }
}

/** A quantity that cannot be read differs from every recount, even from one without the field. */
export function damagedQuantities(
  damaged: ShardMonth['damaged'],
): Pick<Difference, 'kind' | 'field' | 'expected' | 'found'>[] {
  return damaged.map(({ key, field, found }) => ({
    kind: 'damaged',
    field: field || key,
    expected: 'an integer',
    found,
  }));
}

function shownQuantities({ expected, found }: { expected: bigint | undefined; found: bigint | undefined }): {
  expected: string | null;
  found: string | null;
} {
  return { expected: expected?.toString() ?? null, found: found?.toString() ?? null };
}
