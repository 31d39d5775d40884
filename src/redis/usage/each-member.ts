import type { Store } from '../store';

/** How many members one step asks for. */
const PAGE = 500;

/** The members of a set, each once, in no order, page by page. Holds those it has shown: SSCAN may show one twice. */
export async function* eachPageOfMembers(
  store: Store,
  key: string,
): AsyncGenerator<string[], void, undefined> {
  const seen = new Set<string>();
  let position = '0';
  do {
    const [next, members] = await store.redis.sscan(key, position, 'COUNT', PAGE);
    position = next;
    yield members.filter((member) => !seen.has(member) && seen.add(member));
  } while (position !== '0');
}

/** As `eachPageOfMembers`, one by one. */
export async function* eachMember(store: Store, key: string): AsyncGenerator<string, void, undefined> {
  for await (const page of eachPageOfMembers(store, key)) yield* page;
}
