import type { Store } from '../store';

/** The counts of each node's transfer, by the address of its metrics. */
export async function readTransferCounts(store: Store): Promise<Map<string, string>> {
  return new Map(Object.entries(await store.redis.hgetall(store.keys.transferCounts)));
}

/**
 * Replaces the counts of a node.
 *
 * @param before what was read; undefined if there was nothing
 * @returns false if another process has replaced it since; nothing is written then
 */
export async function swapTransferCount(
  { redis, keys }: Store,
  address: string,
  before: string | undefined,
  after: string,
): Promise<boolean> {
  const [answer] = await redis.swapField(keys.transferCounts, address, before ?? '', after);
  return answer === 'SWAPPED';
}
