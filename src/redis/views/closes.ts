import type { Store } from '../store';

/** Shows that a month is closed: a view of the close ledger. */
export async function writeClose(store: Store, month: string, json: string): Promise<void> {
  await store.redis.hset(store.keys.closes, month, json);
}

/** The closed months in order: month -> the record of its close as JSON. */
export async function readCloses(store: Store): Promise<Map<string, string>> {
  const closes = Object.entries(await store.redis.hgetall(store.keys.closes));
  return new Map(closes.sort(([a], [b]) => (a < b ? -1 : 1)));
}
