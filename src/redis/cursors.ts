import type { Store } from './store';

/**
 * Creates the cursor of a topic in a shard. It never moves one: to count from another offset, Redis
 * is rebuilt.
 *
 * @returns whether it was created; false if there was one already
 */
export async function initCursor(
  store: Store,
  shard: number,
  topic: string,
  offset: number,
): Promise<boolean> {
  return (await store.redis.hsetnx(store.keys.shard(shard).cursor, topic, offset)) === 1;
}

/** The next offset of the topic to be applied to the shard; undefined if there is no cursor. */
export async function readCursor(store: Store, shard: number, topic: string): Promise<number | undefined> {
  const cursor = await store.redis.hget(store.keys.shard(shard).cursor, topic);
  return cursor === null ? undefined : Number(cursor);
}

/** topic -> next offset. */
export async function readCursors(store: Store, shard: number): Promise<Map<string, number>> {
  const cursors = await store.redis.hgetall(store.keys.shard(shard).cursor);
  return new Map(Object.entries(cursors).map(([topic, offset]) => [topic, Number(offset)]));
}

/**
 * Records which topic the cursors belong to, unless that is recorded already.
 *
 * @returns the id that is recorded now
 */
export async function noteTopicId(store: Store, topic: string, id: string): Promise<string> {
  await store.redis.hsetnx(store.keys.topicIds, topic, id);
  return (await store.redis.hget(store.keys.topicIds, topic)) ?? id;
}

/** topic -> its id when its cursors were created. */
export async function readTopicIds(store: Store): Promise<Map<string, string>> {
  return new Map(Object.entries(await store.redis.hgetall(store.keys.topicIds)));
}
