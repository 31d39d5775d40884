import type { Redis } from 'ioredis';
import { applyMadeUp, holdClosedMonth, openBenchStore } from './installation';
import { cpuMs } from './processes';
import { environment, say, startRedis } from './servers';
import { lastMonth, monthBefore, projectNames } from './workload';
import type { NativeService } from '../src/local/service';

/** What a chunk costs Redis when so many ids are held. */
export interface GrowthResult {
  readonly section: 'growth';
  readonly ids: number;
  /** Microseconds of Redis an event; the writing and rewriting of its file included. */
  readonly redisCpuUs: number;
  readonly bytesPerId: number;
}

const SHARDS = 12;
const PROJECTS = 2_000;
const STEP = 240_000;
/** Of the closed month before; a multiple of the shards, as every number of made-up events here. */
const HELD_IDS = 96_000;

export async function measureGrowth(
  kafka: NativeService,
  sizes: readonly number[],
  onResult: (result: GrowthResult) => void,
): Promise<void> {
  const redis = await startRedis();
  const store = await openBenchStore(environment(kafka, redis, ''));
  try {
    const month = lastMonth(Date.now());
    await holdClosedMonth(store, SHARDS, monthBefore(month), HELD_IDS);
    const projects = projectNames(PROJECTS);
    let count = 0;
    const grow = async (by: number): Promise<void> => {
      await applyMadeUp(store, { shards: SHARDS, first: HELD_IDS + count, count: by, month, projects });
      count += Math.ceil(by / SHARDS) * SHARDS;
    };
    for (const size of [...sizes].sort((a, b) => a - b)) {
      while (count + STEP < size - STEP / 2) await grow(STEP);
      const startMs = cpuMs(redis.pid);
      const before = count;
      await grow(Math.max(SHARDS, size - count));
      const redisCpuUs = ((cpuMs(redis.pid) - startMs) * 1000) / (count - before);
      onResult({
        section: 'growth',
        ids: size,
        redisCpuUs,
        bytesPerId: (await idBytes(store.redis as Redis, month)) / count,
      });
      say(`${count.toLocaleString('en-US')} ids held`);
    }
  } finally {
    await store.close();
    await redis.stop();
  }
}

/** By a sample of the buckets of one shard: there may be hundreds of thousands. */
async function idBytes(redis: Redis, month: string): Promise<number> {
  let bytes = 0;
  for (let shard = 0; shard < SHARDS; shard += 1) {
    const stem = `usage:{${shard}}:ids:${await openPeriod(redis, shard, month)}`;
    const buckets = Number(await redis.hget(stem, 'buckets'));
    const step = Math.max(1, Math.floor(buckets / 500));
    let sampled = 0;
    let sum = 0;
    for (let bucket = 0; bucket < buckets; bucket += step) {
      sum += Number((await redis.call('MEMORY', 'USAGE', `${stem}:${String(bucket).padStart(8, '0')}`)) ?? 0);
      sampled += 1;
    }
    bytes += (sum / sampled) * buckets;
  }
  return bytes;
}

/** After one close the ids of the open month stand under its name. */
async function openPeriod(redis: Redis, shard: number, month: string): Promise<string> {
  return (await redis.exists(`usage:{${shard}}:ids:${month}`)) === 1 ? month : 'first';
}
