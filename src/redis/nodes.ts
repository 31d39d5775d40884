import { Cluster, type Redis } from 'ioredis';
import type { Store } from './store';

/** The nodes that may hold a shard. */
export function nodesOf({ redis }: Pick<Store, 'redis'>): Redis[] {
  return redis instanceof Cluster ? redis.nodes('master') : [redis];
}
