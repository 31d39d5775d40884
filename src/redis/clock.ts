import { Cluster } from 'ioredis';
import type { Store } from './store';

/** How far the clock of each node that holds data is ahead of ours, in ms. */
export async function redisClockSkews({ redis }: Store): Promise<number[]> {
  const nodes = redis instanceof Cluster ? redis.nodes('master') : [redis];
  return Promise.all(
    nodes.map(async (node) => {
      const askedAt = Date.now();
      const [seconds, microseconds] = (await node.time()).map(Number) as [number, number];
      return seconds * 1_000 + microseconds / 1_000 - (askedAt + Date.now()) / 2;
    }),
  );
}
