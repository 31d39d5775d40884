import type { Redis } from 'ioredis';
import type { Store } from '../src/redis/store';

/**
 * What Redis holds, by the first word of a key after its shard: `ids`, `totals`, `daily`,
 * `projects`; or `naive`.
 */
export interface HeldMemory {
  readonly keys: number;
  readonly bytes: number;
}

const PAGE = 2_000;

/** Asks every key for its size: exact, and slow (a second per 100,000 keys). */
export async function memoryByKind(store: Store): Promise<Map<string, HeldMemory>> {
  const redis = store.redis as Redis;
  const kinds = new Map<string, HeldMemory>();
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'COUNT', PAGE);
    cursor = next;
    const sizes = redis.pipeline();
    for (const key of keys) sizes.call('MEMORY', 'USAGE', key, 'SAMPLES', '0');
    const answers = (await sizes.exec()) ?? [];
    keys.forEach((key, at) => {
      const kind = /(?:\}:|naive:)(\w+)/.exec(key)?.[1] ?? 'other';
      const { keys: count, bytes } = kinds.get(kind) ?? { keys: 0, bytes: 0 };
      kinds.set(kind, { keys: count + 1, bytes: bytes + Number(answers[at]?.[1] ?? 0) });
    });
  } while (cursor !== '0');
  return kinds;
}
