import type { Store } from '../../../src/redis/store';

/** Every key under a prefix with its value, in Redis's own bytes. */
export async function dumpAll(store: Store, prefix: string): Promise<Record<string, string | undefined>> {
  const keys = (await store.redis.keys(`${prefix}:*`)).sort();
  const dumps = await Promise.all(keys.map((key) => store.redis.dumpBuffer(key)));
  return Object.fromEntries(keys.map((key, i) => [key, dumps[i]?.toString('hex')]));
}
