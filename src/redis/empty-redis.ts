import { beginEmptying } from './rebuilding';
import { eachPageOfKeys } from './scan';
import type { Store } from './store';

/**
 * Deletes all keys of this installation but the marks of a rebuild, which must follow. The marks
 * say that Redis is being emptied: a rebuild that finds them empties it to the end first.
 */
export async function emptyRedis(store: Store, shardCount: number): Promise<void> {
  const { keys } = store;
  const shards = Array.from({ length: shardCount }, (_, shard) => keys.shard(shard));
  await beginEmptying(store, shardCount);
  // First: without its cursor, nothing is counted in a shard, not even by a consumer that nobody
  // sees.
  await unlink(
    store,
    shards.map(({ cursor }) => cursor),
  );
  // Last: a server fills the views again from where these say, and would not fill what goes later.
  const shown = [keys.projectsShown, keys.closesShown, keys.invoicesShown];
  const kept = new Set([keys.rebuilding, ...shards.map(({ rebuilding }) => rebuilding), ...shown]);
  for (const pattern of keys.patterns) {
    for await (const page of eachPageOfKeys(store, pattern))
      await unlink(
        store,
        page.filter((key) => keys.owns(key) && !kept.has(key)),
      );
  }
  await unlink(store, shown);
}

/** Each by a command of its own: on a cluster, one command takes keys of one slot only. */
async function unlink(store: Store, keys: readonly string[]): Promise<void> {
  await store.send(keys.map((key) => ['unlink', key]));
}
