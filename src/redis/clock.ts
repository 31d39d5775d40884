import { nodesOf } from './nodes';
import type { Store } from './store';

/** How far the clock of each node that holds data is ahead of ours, in ms. */
export async function redisClockSkews(store: Store): Promise<number[]> {
  return Promise.all(
    nodesOf(store).map(async (node) => {
      const askedAt = Date.now();
      const [seconds, microseconds] = (await node.time()).map(Number) as [number, number];
      return seconds * 1_000 + microseconds / 1_000 - (askedAt + Date.now()) / 2;
    }),
  );
}
