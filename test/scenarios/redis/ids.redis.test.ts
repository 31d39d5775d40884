import { apply } from '../../../src/redis/apply/apply-chunk';
import { initCursor } from '../../../src/redis/cursors';
import { freeze } from '../../../src/redis/cut-offs';
import { forgetIds } from '../../../src/redis/apply/forget-ids';
import { openStore, type Store } from '../../../src/redis/store';
import { testRedisUrl, uniquePrefix } from '../../kit/services';
import { event } from '../../kit/redis/rated-events';

const TOPIC = 'usage.session';
const CHUNK = 2_000;

let store: Store;
let prefix: string;
let cursor: number;

beforeEach(async () => {
  prefix = uniquePrefix();
  store = await openStore({ url: testRedisUrl(), prefix });
  cursor = 0;
  await initCursor(store, 0, TOPIC, 0);
});

afterEach(async () => {
  const keys = await store.redis.keys(`${prefix}:*`);
  if (keys.length > 0) await store.redis.unlink(keys);
  await store.close();
});

/** Applies events with the ids `first` to `end - 1` at the next offsets. */
async function applyIds(first: number, end: number): Promise<{ counted: number; duplicates: number }> {
  const sum = { counted: 0, duplicates: 0 };
  for (let id = first; id < end; id += CHUNK) {
    const length = Math.min(CHUNK, end - id);
    const events = Array.from({ length }, (_, i) => event(cursor + i, { id: `${id + i}`, usages: [] }));
    const answer = await apply(store, 0, { topic: TOPIC, from: cursor, next: cursor + length, events });
    if (answer.answer !== 'APPLIED') throw new Error(answer.answer);
    sum.counted += answer.counted;
    sum.duplicates += answer.duplicates;
    cursor += length;
  }
  return sum;
}

const segmentKeys = (period: string): Promise<string[]> =>
  store.redis.keys(`${store.keys.ids(0, period)}:*`.replace(/[{}]/g, '?'));

/** Knows no more than what is in Redis. */
const forgetHere = (): void => store.dedupIndex.keepOnly(TOPIC, []);

test('every id is found again, in this process and in one that reads them from Redis, at every size', async () => {
  let known = 0;
  for (const size of [1, 2, 8_189, 8_190, 8_191, 16_380, 16_400, 40_950]) {
    expect(await applyIds(known, size)).toEqual({ counted: size - known, duplicates: 0 });
    known = size;
    expect(await applyIds(0, known)).toEqual({ counted: 0, duplicates: known });
    forgetHere();
    expect(await applyIds(0, known)).toEqual({ counted: 0, duplicates: known });
  }
  expect(await store.redis.hgetall(store.keys.ids(0, 'first'))).toEqual({ [TOPIC]: '40950' });
  expect(await segmentKeys('first')).toHaveLength(5);
});

test('more segments than one command reads', async () => {
  expect(await applyIds(0, 300_000)).toEqual({ counted: 300_000, duplicates: 0 });
  forgetHere();
  expect(await applyIds(299_000, 300_001)).toEqual({ counted: 1, duplicates: 1_000 });
  expect(await applyIds(0, 1_000)).toEqual({ counted: 0, duplicates: 1_000 });
});

test('200,000 ids take at most 9 bytes each', async () => {
  expect(await applyIds(0, 200_000)).toEqual({ counted: 200_000, duplicates: 0 });
  const keys = await segmentKeys('first');
  const sizes = await Promise.all(keys.map(async (key) => (await store.redis.memory('USAGE', key)) ?? 0));
  expect(sizes.reduce((sum, size) => sum + size, 0) / 200_000).toBeLessThanOrEqual(9);
});

test('periods before the previous one are forgotten, segment by segment, and only those', async () => {
  await applyIds(0, 3_000);
  await freeze(store, 0, '2026-07');
  await applyIds(3_000, 4_000);
  expect(await forgetIds(store, 0)).toEqual([]);
  await freeze(store, 0, '2026-08');
  await applyIds(4_000, 5_000);
  expect(await forgetIds(store, 0)).toEqual(['first']);
  expect(await forgetIds(store, 0)).toEqual([]);
  expect(await segmentKeys('first')).toEqual([]);
  expect(await store.redis.exists(store.keys.ids(0, 'first'))).toBe(0);
  expect(await applyIds(3_000, 5_000)).toEqual({ counted: 0, duplicates: 2_000 });
  expect(await applyIds(0, 3_000)).toEqual({ counted: 3_000, duplicates: 0 });
});

test('a period is kept while some topic still stands before its end', async () => {
  await initCursor(store, 0, 'usage.agent', 0);
  await applyIds(0, 10);
  await freeze(store, 0, '2026-07');
  await freeze(store, 0, '2026-08');
  await store.redis.hset(store.keys.shard(0).closed, '2026-08', '{"usage.agent":5,"usage.session":10}');
  expect(await forgetIds(store, 0)).toEqual([]);
  await apply(store, 0, { topic: 'usage.agent', from: 0, next: 5, events: [] });
  expect(await forgetIds(store, 0)).toEqual(['first']);
});

test('forgetting that was cut off goes on where it stopped', async () => {
  await applyIds(0, 30_000);
  await freeze(store, 0, '2026-07');
  await freeze(store, 0, '2026-08');
  await store.redis.unlink((await segmentKeys('first')).slice(0, 2));
  expect(await forgetIds(store, 0)).toEqual(['first']);
  expect(await segmentKeys('first')).toEqual([]);
});
