import { nodesOf } from '../nodes';
import type { Store } from '../store';
import { infoOf } from './append-only-file';

export interface RedisMemory {
  /** `host:port` */
  readonly node: string;
  readonly usedBytes: number;
  /** `maxmemory`, or the memory of the machine if there is no such limit. */
  readonly limitBytes: number;
}

/** The memory of every node that may hold a shard. */
export function readRedisMemory(store: Store): Promise<RedisMemory[]> {
  return Promise.all(
    nodesOf(store).map(async (node) => ({
      node: `${node.options.host}:${node.options.port}`,
      ...memoryOf(infoOf(await node.info('memory'))),
    })),
  );
}

/** @param info the answer to INFO */
export function memoryOf(info: Readonly<Record<string, string>>): Omit<RedisMemory, 'node'> {
  const limit = Number(info['maxmemory'] ?? 0);
  return {
    usedBytes: Number(info['used_memory'] ?? 0),
    limitBytes: limit > 0 ? limit : Number(info['total_system_memory'] ?? 0),
  };
}
