import { laneOf, shardOf } from './usage/lanes';
import type { Store } from './store';

/**
 * Creates the cursor of a lane in a shard: see lanes.ts. It never moves one: to count from another
 * offset, Redis is rebuilt.
 *
 * @returns whether it was created; false if there was one already
 */
export async function initCursor(
  store: Store,
  shard: number,
  lane: string,
  offset: number,
): Promise<boolean> {
  return (await store.redis.hsetnx(store.keys.shard(shard).cursor, lane, offset)) === 1;
}

/** The next offset of the lane to be applied to the shard; undefined if there is no cursor. */
export async function readCursor(store: Store, shard: number, lane: string): Promise<number | undefined> {
  const cursor = await store.redis.hget(store.keys.shard(shard).cursor, lane);
  return cursor === null ? undefined : Number(cursor);
}

/**
 * The cursors of all partitions of some topics: topic -> partition -> next offset.
 *
 * @param partitions topic -> something about each of its partitions
 */
export async function readPartitionCursors(
  store: Store,
  shardCount: number,
  partitions: ReadonlyMap<string, readonly unknown[]>,
): Promise<Map<string, (number | undefined)[]>> {
  const cursors = await Promise.all(
    Array.from({ length: shardCount }, (_, shard) => readCursors(store, shard)),
  );
  return new Map(
    [...partitions].map(([topic, all]) => [
      topic,
      all.map((_, partition) =>
        cursors[shardOf(partition, shardCount)]?.get(laneOf(topic, partition, shardCount)),
      ),
    ]),
  );
}

/** lane -> next offset. */
export async function readCursors(store: Store, shard: number): Promise<Map<string, number>> {
  const cursors = await store.redis.hgetall(store.keys.shard(shard).cursor);
  return new Map(Object.entries(cursors).map(([topic, offset]) => [topic, Number(offset)]));
}

/**
 * The leader epoch of the last record that was counted; undefined if it is not known at this
 * cursor: see epochs.lua.
 */
export async function readEpoch(
  store: Store,
  shard: number,
  topic: string,
  cursor: number,
): Promise<number | undefined> {
  return epochAt(cursor, await store.redis.hget(store.keys.shard(shard).writes, epochField(topic)));
}

/** topic -> the same of all topics of a shard. */
export async function readEpochs(
  store: Store,
  shard: number,
  cursors: ReadonlyMap<string, number>,
): Promise<Map<string, number>> {
  const fields = await store.redis.hgetall(store.keys.shard(shard).writes);
  return new Map(
    [...cursors].flatMap(([topic, cursor]) => {
      const epoch = epochAt(cursor, fields[epochField(topic)]);
      return epoch === undefined ? [] : [[topic, epoch] as const];
    }),
  );
}

/** Makes the epoch of every shard unknown, until the next chunk is counted. */
export async function forgetEpochs(store: Store, shardCount: number, topic: string): Promise<void> {
  for (let shard = 0; shard < shardCount; shard += 1) {
    const { writes } = store.keys.shard(shard);
    const own = epochField(topic);
    const fields = (await store.redis.hkeys(writes)).filter((f) => f === own || f.startsWith(`${own}/`));
    if (fields.length > 0) await store.redis.hdel(writes, ...fields);
  }
}

const epochField = (topic: string): string => `epoch:${topic}`;

function epochAt(cursor: number, text: string | null | undefined): number | undefined {
  const [epoch, at] = (text ?? '').split('@');
  return epoch && /^\d+$/.test(epoch) && at === String(cursor) ? Number(epoch) : undefined;
}

/**
 * Records which topic the cursors belong to, unless that is recorded already.
 *
 * @returns the id that is recorded now, and whether there was none
 */
export async function noteTopicId(
  store: Store,
  topic: string,
  id: string,
): Promise<{ noted: string; isNew: boolean }> {
  const isNew = (await store.redis.hsetnx(store.keys.topicIds, topic, id)) === 1;
  return { noted: (await store.redis.hget(store.keys.topicIds, topic)) ?? id, isNew };
}

/** topic -> its id when its cursors were created. */
export async function readTopicIds(store: Store): Promise<Map<string, string>> {
  return new Map(Object.entries(await store.redis.hgetall(store.keys.topicIds)));
}
