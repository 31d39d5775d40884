import type { Store } from './store';

/** Shows that a month is closed: a view of the close ledger. */
export async function writeClose(store: Store, month: string, json: string): Promise<void> {
  await store.redis.hset(store.keys.closes, month, json);
}

/**
 * Agrees on the record of a close: the first one written wins, whoever else is closing the month at the same time.
 *
 * @returns the record that holds
 */
export async function agreeOnClose(store: Store, month: string, json: string): Promise<string> {
  await store.redis.hsetnx(store.keys.closes, month, json);
  return (await store.redis.hget(store.keys.closes, month)) ?? json;
}

/** Takes back a record that was agreed on and never published, unless another has taken its place already. */
export async function withdrawClose(store: Store, month: string, json: string): Promise<void> {
  if ((await store.redis.hget(store.keys.closes, month)) === json)
    await store.redis.hdel(store.keys.closes, month);
}

/** The closed months in order: month -> the record of its close as JSON. */
export async function readCloses(store: Store): Promise<Map<string, string>> {
  const closes = Object.entries(await store.redis.hgetall(store.keys.closes));
  return new Map(closes.sort(([a], [b]) => (a < b ? -1 : 1)));
}
