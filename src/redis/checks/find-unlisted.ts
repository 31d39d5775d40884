import { eachPageOfTotalsKeys, type TotalsKey } from '../scan';
import type { Store } from '../store';

/**
 * Finds totals whose project is missing in its month's set of projects. A close bills the projects
 * of that set, so these would be on no invoice. One script writes both, so consumers that count
 * meanwhile cause no false alarm.
 */
export async function findUnlistedTotals(store: Store): Promise<TotalsKey[]> {
  const unlisted: TotalsKey[] = [];
  for await (const page of eachPageOfTotalsKeys(store)) {
    const sets = new Map<string, TotalsKey[]>();
    for (const found of page) {
      const set = store.keys.projectsOfMonth(found.shard, found.month);
      const keys = sets.get(set);
      if (keys === undefined) sets.set(set, [found]);
      else keys.push(found);
    }
    const answers = (await store.send(
      [...sets].map(([set, keys]) => ['smismember', set, ...keys.map(({ project }) => project)]),
    )) as number[][];
    [...sets.values()].forEach((keys, i) => unlisted.push(...keys.filter((_, j) => answers[i]![j] === 0)));
  }
  return unlisted;
}
