import type { Store } from '../src/redis/store';
import { applyMadeUp, holdClosedMonth, openBenchStore } from './installation';
import { FIRST_WINDOW, segmentCount } from '../src/redis/apply/dedup-index';
import { cpuMs } from './processes';
import { environment, say, startRedis } from './servers';
import { lastMonth, projectNames } from './workload';
import { previousMonth } from '../src/rating/month';
import type { NativeService } from '../src/dev/services/service';

/** The cost of an event with a given number of ids. */
export interface GrowthResult {
  readonly section: 'growth';
  readonly ids: number;
  /** Microseconds of Redis an event; the writing and rewriting of its file included. */
  readonly redisCpuUs: number;
  /** The same and this process's, which looks the ids up in its memory, and makes the events. */
  readonly applyCpuUs: number;
  readonly bytesPerId: number;
  /** All that Redis holds. */
  readonly redisMemoryMb: number;
  /** Of this process, which holds the ids as a consumer of all shards does. */
  readonly memoryMb: number;
}

const SHARDS = 12;
const PROJECTS = 2_000;
const STEP = 240_000;
/**
 * The ids of the closed month before. Like every number of made-up events here, it is a multiple of
 * the shards.
 */
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
    await holdClosedMonth(store, SHARDS, previousMonth(month), HELD_IDS);
    const projects = projectNames(PROJECTS);
    let count = 0;
    const grow = async (by: number): Promise<void> => {
      await applyMadeUp(store, { shards: SHARDS, first: HELD_IDS + count, count: by, month, projects });
      count += Math.ceil(by / SHARDS) * SHARDS;
    };
    for (const size of [...sizes].sort((a, b) => a - b)) {
      while (count + STEP < size - STEP / 2) await grow(STEP);
      const startMs = cpuMs(redis.pid);
      const ownStart = process.cpuUsage();
      const before = count;
      await grow(Math.max(SHARDS, size - count));
      const redisUs = (cpuMs(redis.pid) - startMs) * 1000;
      const own = process.cpuUsage(ownStart);
      const grown = count - before;
      const memory = /used_memory:(\d+)/.exec(await store.redis.info('memory'))![1];
      onResult({
        section: 'growth',
        ids: size,
        redisCpuUs: redisUs / grown,
        applyCpuUs: (redisUs + own.user + own.system) / grown,
        bytesPerId: (await idBytes(store, month)) / count,
        redisMemoryMb: Number(memory) / 1e6,
        memoryMb: process.memoryUsage.rss() / 1e6,
      });
      say(`${count.toLocaleString('en-US')} ids held`);
    }
  } finally {
    await store.close();
    await redis.stop();
  }
}

/** By a sample of the segments of each shard, all of which but the last are alike. */
async function idBytes({ redis, keys }: Store, month: string): Promise<number> {
  let bytes = 0;
  for (let shard = 0; shard < SHARDS; shard += 1) {
    // After one close the ids of the open month stand under its name.
    const period = (await redis.exists(keys.ids(shard, month))) === 1 ? month : FIRST_WINDOW;
    for (const [topic, count] of Object.entries(await redis.hgetall(keys.ids(shard, period)))) {
      const last = segmentCount(Number(count)) - 1;
      const size = async (segment: number): Promise<number> =>
        (await redis.memory('USAGE', keys.idSegment(shard, period, topic, segment))) ?? 0;
      bytes += (await size(last)) + (last > 0 ? (await size(0)) * last : 0);
    }
  }
  return bytes;
}
