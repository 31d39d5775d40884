import type { Store } from './store';

/**
 * Creates the cursor of a topic in a shard. Never moves one: to count from elsewhere, Redis is filled anew.
 *
 * @returns whether it was created; false when there is one already
 */
export async function initCursor(
  store: Store,
  shard: number,
  topic: string,
  offset: number,
): Promise<boolean> {
  return (await store.redis.hsetnx(store.keys.shard(shard).cursor, topic, offset)) === 1;
}

/** The next offset of the topic to be applied to the shard; undefined where none was created. */
export async function readCursor(store: Store, shard: number, topic: string): Promise<number | undefined> {
  const cursor = await store.redis.hget(store.keys.shard(shard).cursor, topic);
  return cursor === null ? undefined : Number(cursor);
}

/** The cursors of all topics in a shard: topic -> next offset. */
export async function readCursors(store: Store, shard: number): Promise<Map<string, number>> {
  const cursors = await store.redis.hgetall(store.keys.shard(shard).cursor);
  return new Map(Object.entries(cursors).map(([topic, offset]) => [topic, Number(offset)]));
}
