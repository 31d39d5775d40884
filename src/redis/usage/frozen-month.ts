import type { FrozenPart } from '../../../schemas/types';
import { eachPageOfMembers } from '../scan';
import { checkUndamaged, readMonths } from './read-shard';
import type { Store } from '../store';

/**
 * A name has at most about 150 code points. A part stays well under 1 MiB even if each takes four
 * bytes.
 */
const FIELDS_A_PART = 1_000;

const PAGE_PROJECTS = 500;

/**
 * What a frozen month holds in a shard, a page of projects at a time, in the order of their names,
 * so that an index of the ledger is small. It no longer changes, so every read gives the same.
 *
 * @throws TallymanError `DOCUMENT_DAMAGED`
 */
export async function* readFrozenMonth(
  store: Store,
  shard: number,
  month: string,
): AsyncGenerator<FrozenPart[], void, undefined> {
  const projects: string[] = [];
  for await (const members of eachPageOfMembers(store, store.keys.projectsOfMonth(shard, month)))
    projects.push(...members);
  projects.sort();
  for (let from = 0; from < projects.length; from += PAGE_PROJECTS) {
    const months = await readMonths(store, shard, month, projects.slice(from, from + PAGE_PROJECTS));
    months.forEach(checkUndamaged);
    yield months.flatMap(({ project, totals, daily }) => partsOf({ month, shard, project }, totals, daily));
  }
}

/** A project's month as the ledger holds it. */
export function partsOf(
  of: Pick<FrozenPart, 'month' | 'shard' | 'project'>,
  totals: ReadonlyMap<string, bigint>,
  daily: ReadonlyMap<string, bigint>,
): FrozenPart[] {
  const sorted = (sums: ReadonlyMap<string, bigint>): [string, string][] =>
    [...sums].sort(([a], [b]) => (a < b ? -1 : 1)).map(([field, quantity]) => [field, quantity.toString()]);
  const [allTotals, allDaily] = [sorted(totals), sorted(daily)];
  const count = Math.max(1, Math.ceil(Math.max(allTotals.length, allDaily.length) / FIELDS_A_PART));
  return Array.from({ length: count }, (_, part) => {
    const slice = [part * FIELDS_A_PART, (part + 1) * FIELDS_A_PART] as const;
    return { ...of, part, totals: allTotals.slice(...slice), daily: allDaily.slice(...slice) };
  });
}

export async function clearMonth(store: Store, shard: number, month: string): Promise<void> {
  const listed = store.keys.projectsOfMonth(shard, month);
  for await (const projects of eachPageOfMembers(store, listed)) {
    const keys = projects.flatMap((project) => [
      store.keys.totals(shard, month, project),
      store.keys.daily(shard, month, project),
    ]);
    if (keys.length > 0) await store.redis.unlink(keys);
  }
  await store.redis.unlink(listed);
}

/** Writes a part of a closed month. Repeatable. */
export async function writeFrozenPart(store: Store, part: FrozenPart): Promise<void> {
  const { shard, month, project, totals, daily } = part;
  const writes: Promise<unknown>[] = [store.redis.sadd(store.keys.projectsOfMonth(shard, month), project)];
  if (totals.length > 0)
    writes.push(store.redis.hset(store.keys.totals(shard, month, project), ...totals.flat()));
  if (daily.length > 0)
    writes.push(store.redis.hset(store.keys.daily(shard, month, project), ...daily.flat()));
  await Promise.all(writes);
}
