import { Cluster, Redis, type RedisOptions } from 'ioredis';

/** Opens a Redis, or a cluster, by a REDIS_URL. A command that fails says so itself. */
export function openRedis(url: string, options: RedisOptions = {}): Redis | Cluster {
  const addresses = url.replace('redis+cluster://', '').split(',');
  const redis = url.startsWith('redis+cluster://')
    ? new Cluster(
        addresses.map((address) => ({
          host: address.split(':')[0]!,
          port: Number(address.split(':')[1]),
        })),
        { redisOptions: { commandTimeout: 5_000, ...options } },
      )
    : new Redis(url, options);
  redis.on('error', () => undefined);
  return redis;
}

/** The keys of every master that match a pattern. */
export async function keysOf(redis: Redis | Cluster, pattern: string): Promise<string[]> {
  if (redis instanceof Redis) return redis.keys(pattern);
  await redis.ping(); // A cluster has no nodes before it has answered.
  const keys = await Promise.all(redis.nodes('master').map((node) => node.keys(pattern)));
  return keys.flat();
}
