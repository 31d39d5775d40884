import { beginEmptying } from './rebuilding';
import { eachPageOfKeys } from './scan';
import type { Store } from './store';

/**
 * Deletes all keys of this installation except for the marks of a rebuild, which must follow. The
 * marks show that Redis is being emptied. A rebuild that finds them finishes the emptying first.
 */
export async function emptyRedis(store: Store, shardCount: number): Promise<void> {
  const { keys } = store;
  const shards = Array.from({ length: shardCount }, (_, shard) => keys.shard(shard));
  await beginEmptying(store, shardCount);
  // The cursors go first: without them, nothing is counted in a shard, not even by an unknown
  // consumer.
  await unlink(
    store,
    shards.map(({ cursor }) => cursor),
  );
  // These go last: a server refills the views from these positions, and would not refill what is
  // deleted later.
  const shown = [keys.projectsShown, keys.closesShown, keys.invoicesShown, ...keys.invoiceIndexes];
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

/** How many keys `emptyRedis` would delete. A dry run counts them. */
export async function countKeys(store: Store): Promise<number> {
  const { keys } = store;
  const found = new Set<string>();
  for (const pattern of keys.patterns) {
    for await (const page of eachPageOfKeys(store, pattern))
      for (const key of page) if (keys.owns(key)) found.add(key);
  }
  return found.size;
}

/** One command per key, because on a cluster a command only takes keys of one slot. */
async function unlink(store: Store, keys: readonly string[]): Promise<void> {
  await store.send(keys.map((key) => ['unlink', key]));
}
