import { TallymanError } from '../errors';
import type { Store } from './store';

/** Marks Redis as being filled: what it holds is not all yet. */
export async function beginRebuild(store: Store): Promise<void> {
  await store.redis.set(store.keys.rebuilding, new Date().toISOString());
}

export async function isRebuilding(store: Store): Promise<boolean> {
  return (await store.redis.exists(store.keys.rebuilding)) === 1;
}

export async function endRebuild(store: Store): Promise<void> {
  await store.redis.unlink(store.keys.rebuilding);
}

/**
 * Refuses to work on a Redis that is filled half: a close would invoice what is there.
 *
 * @throws TallymanError `REBUILD_UNFINISHED`
 */
export async function checkRebuilt(store: Store): Promise<void> {
  if (!(await isRebuilding(store))) return;
  throw new TallymanError(
    'REBUILD_UNFINISHED',
    'A rebuild of this Redis has not come to its end: run `tallyman rebuild` again, it goes on where it was.',
  );
}
