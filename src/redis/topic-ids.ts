import type { Store } from './store';

/**
 * Notes which topic the cursors belong to, unless it is noted.
 *
 * @returns the id that is noted now
 */
export async function noteTopicId(store: Store, topic: string, id: string): Promise<string> {
  await store.redis.hsetnx(store.keys.topicIds, topic, id);
  return (await store.redis.hget(store.keys.topicIds, topic)) ?? id;
}

/** topic -> the id that it had when its cursors were made. */
export async function readTopicIds(store: Store): Promise<Map<string, string>> {
  return new Map(Object.entries(await store.redis.hgetall(store.keys.topicIds)));
}
