import { nodesOf } from './nodes';
import type { Store } from './store';

const KEYS_PER_STEP = 1_000;
const MEMBERS_PER_STEP = 500;

/** The keys that match a pattern, on every node, page by page. A key may be returned twice. */
export async function* eachPageOfKeys(
  store: Store,
  pattern: string,
): AsyncGenerator<string[], void, undefined> {
  for (const node of nodesOf(store)) {
    let position = '0';
    do {
      const [next, keys] = await node.scan(position, 'MATCH', pattern, 'COUNT', KEYS_PER_STEP);
      position = next;
      yield keys;
    } while (position !== '0');
  }
}

export interface TotalsKey {
  readonly shard: number;
  readonly month: string;
  readonly project: string;
}

/** All totals in Redis, page by page, whether or not a month's set lists their project. */
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

/**
 * The members of a set, each once, unordered, page by page. All are kept in memory, because SSCAN
 * may return one twice.
 *
 * @param seen members that are left out; those that are returned are added to it
 */
export async function* eachPageOfMembers(
  store: Store,
  key: string,
  seen = new Set<string>(),
): AsyncGenerator<string[], void, undefined> {
  let position = '0';
  do {
    const [next, members] = await store.redis.sscan(key, position, 'COUNT', MEMBERS_PER_STEP);
    position = next;
    yield members.filter((member) => !seen.has(member) && seen.add(member));
  } while (position !== '0');
}

/** Like `eachPageOfMembers`, one by one. */
export async function* eachMember(store: Store, key: string): AsyncGenerator<string, void, undefined> {
  for await (const page of eachPageOfMembers(store, key)) yield* page;
}
