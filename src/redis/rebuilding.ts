import { randomUUID } from 'node:crypto';
import { TallymanError } from '../lib/errors';
import type { Store } from './store';

/**
 * Marks Redis as being filled, and so incomplete. Each shard is marked too, before it gets its
 * cursors, so that no node of a cluster can lose its mark and keep what was filled in after it.
 */
export async function beginRebuild(store: Store, shardCount: number): Promise<void> {
  const at = new Date().toISOString();
  await store.send(marksOf(store, shardCount).map((key) => ['set', key, at]));
}

const EMPTYING = 'emptying';

/** Marks Redis as being emptied, and so incomplete. The rest must be deleted. */
export async function beginEmptying(store: Store, shardCount: number): Promise<void> {
  await store.send(marksOf(store, shardCount).map((key) => ['set', key, EMPTYING]));
}

/** Whether an emptying was begun and not followed by a rebuild. */
export async function isEmptying(store: Store, shardCount: number): Promise<boolean> {
  return (await store.send(marksOf(store, shardCount).map((key) => ['get', key]))).includes(EMPTYING);
}

export async function isRebuilding(store: Store): Promise<boolean> {
  return (await look(store)).isRebuilding;
}

export async function endRebuild(store: Store, shardCount: number): Promise<void> {
  // Set before the marks are removed, so that a process which has read the earlier Redis sees the
  // change.
  await store.redis.set(store.keys.generation, randomUUID());
  const [mark = '', ...marks] = marksOf(store, shardCount);
  await store.send(marks.map((key) => ['unlink', key]));
  await store.redis.unlink(mark);
}

/** The mark of the installation comes first. */
function marksOf({ keys }: Store, shardCount: number): string[] {
  return [keys.rebuilding, ...shardsOf(shardCount).map((shard) => keys.shard(shard).rebuilding)];
}

const shardsOf = (count: number): number[] => Array.from({ length: count }, (_, shard) => shard);

interface Look {
  readonly isRebuilding: boolean;
  readonly emptied: number | undefined;
  readonly generation: string;
}

/**
 * Readers check this before and after each read, so it is one write if the number of shards is
 * unchanged.
 */
async function look(store: Store): Promise<Look> {
  const { keys } = store;
  for (let expected = lastShardCount.get(store) ?? 0; ;) {
    const marks = marksOf(store, expected).map((key) => ['exists', key] as const);
    const cursors = shardsOf(expected).map((shard) => ['exists', keys.shard(shard).cursor] as const);
    const [count, generation, ...found] = (await store.send([
      ['get', keys.shardCount],
      ['get', keys.generation],
      ...marks,
      ...cursors,
    ])) as [string | null, string | null, ...number[]];
    const shardCount = shardCountOf(count) ?? 0;
    if (shardCount === expected) {
      const emptied = found.slice(marks.length).indexOf(0);
      return {
        isRebuilding: found.slice(0, marks.length).includes(1),
        emptied: emptied < 0 ? undefined : emptied,
        generation: generation ?? '',
      };
    }
    lastShardCount.set(store, (expected = shardCount));
  }
}

/** Reads Redis's note of the number of shards. A note that is not a number counts as lost. */
export const shardCountOf = (noted: string | null): number | undefined =>
  noted !== null && /^[1-9]\d{0,5}$/.test(noted) ? Number(noted) : undefined;

const lastShardCount = new WeakMap<Store, number>();

/**
 * Refuses to work on a Redis that is incomplete, because it is half filled or was emptied. What it
 * holds would look like all there is.
 *
 * @returns the name of what this Redis was filled by; if the name changes, Redis was emptied and
 *   rebuilt in between
 * @throws TallymanError `REBUILD_UNFINISHED`, `UNINITIALISED`
 */
export async function checkRebuilt(store: Store): Promise<string> {
  const { isRebuilding: isFilling, emptied, generation } = await look(store);
  if (isFilling) {
    throw new TallymanError(
      'REBUILD_UNFINISHED',
      'This Redis is being rebuilt, or a rebuild of it was stopped: it does not hold all usage. Wait for it, or run ' +
        '`tallyman rebuild` again, which continues where it stopped.',
    );
  }
  // If the number of shards is lost too, the reader of that number reports it.
  if (emptied !== undefined) {
    throw new TallymanError(
      'UNINITIALISED',
      `Redis holds no cursor of shard ${emptied}. If it was emptied: run ` +
        '`tallyman rebuild`. A new installation: run `tallyman init`.',
      { shard: emptied },
    );
  }
  return generation;
}

/**
 * Reads of a Redis that was whole from the beginning to the end of the read.
 *
 * @throws TallymanError `REBUILD_UNFINISHED`, `UNINITIALISED`, `REDIS_WENT_BACK`
 */
export async function readWhole<T>(store: Store, read: () => Promise<T>): Promise<T> {
  const before = await checkRebuilt(store);
  const result = await read();
  if ((await checkRebuilt(store)) === before) return result;
  throw new TallymanError(
    'REDIS_WENT_BACK',
    'Redis was emptied and rebuilt while it was read: run the command again.',
  );
}
