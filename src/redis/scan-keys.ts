import { Cluster, type Redis } from 'ioredis';
import type { Store } from './store';

const KEYS_PER_STEP = 1_000;

/** The keys that match a pattern, on every node, page by page. One may be listed twice. */
export async function* eachPageOfKeys(
  store: Store,
  pattern: string,
): AsyncGenerator<string[], void, undefined> {
  const nodes: readonly Redis[] =
    store.redis instanceof Cluster ? store.redis.nodes('master') : [store.redis];
  for (const node of nodes) {
    let position = '0';
    do {
      const [next, keys] = await node.scan(position, 'MATCH', pattern, 'COUNT', KEYS_PER_STEP);
      position = next;
      yield keys;
    } while (position !== '0');
  }
}
