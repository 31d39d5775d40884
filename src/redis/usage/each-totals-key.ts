import { eachPageOfKeys } from '../scan-keys';
import type { Store } from '../store';

/** A hash of totals, as its key names it. */
export interface TotalsKey {
  readonly shard: number;
  readonly month: string;
  readonly project: string;
}

/** All totals that Redis holds, page by page, whether or not a month's set names their project. */
export async function* eachPageOfTotalsKeys(store: Store): AsyncGenerator<TotalsKey[], void, undefined> {
  const stem = store.keys.shard(0).totalsStem;
  const [before, after] = stem.split('{0}') as [string, string];
  const pattern = new RegExp(`^\\{(\\d+)\\}${after}(\\d{4}-\\d{2}):(.+)$`, 's');
  for await (const keys of eachPageOfKeys(store, `${before}{*}${after}*`)) {
    yield keys.flatMap((key) => {
      const [, shard, month, project] = pattern.exec(key.slice(before.length)) ?? [];
      return project === undefined ? [] : [{ shard: Number(shard), month: month!, project }];
    });
  }
}
