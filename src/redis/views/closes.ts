import type { Store } from '../store';

/** The closed months in order: month -> the record of its close as JSON. */
export async function readCloses(store: Store): Promise<Map<string, string>> {
  const closes = Object.entries(await store.redis.hgetall(store.keys.closes));
  return new Map(closes.sort(([a], [b]) => (a < b ? -1 : 1)));
}
