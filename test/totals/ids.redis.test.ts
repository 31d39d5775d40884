import { apply } from '../../src/totals/apply';
import { initCursor } from '../../src/totals/cursors';
import { freeze } from '../../src/totals/freeze';
import { forgetIds } from '../../src/totals/ids';
import { openStore, type Store } from '../../src/totals/store';
import { testRedisUrl, uniquePrefix } from '../support/services';
import { event } from './events';

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

const bucketKeys = (period: string): Promise<string[]> =>
  store.redis.keys(`${store.keys.ids(0, period)}:*`.replace(/[{}]/g, '?'));

test('buckets split as they fill: every id is found again, at every size on the way', async () => {
  let known = 0;
  for (const size of [1, 99, 100, 101, 399, 400, 401, 402, 1_000, 1_601, 1_700, 5_000, 6_500, 20_000]) {
    expect(await applyIds(known, size)).toEqual({ counted: size - known, duplicates: 0 });
    known = size;
    expect(await applyIds(0, known)).toEqual({ counted: 0, duplicates: known });
  }
  expect(await store.redis.hgetall(store.keys.ids(0, 'first'))).toEqual({ count: '20000', buckets: '202' });
});

test('a bucket that cannot be split keeps its ids, and is split later', async () => {
  await applyIds(0, 100);
  await store.redis.set(store.keys.idBucket(0, 'first', 2), 'not mine');
  await expect(applyIds(100, 150)).rejects.toThrow(/WRONGTYPE/);
  await store.redis.del(store.keys.idBucket(0, 'first', 2));
  cursor += 50; // The chunk itself was applied: splitting comes after.
  expect(await applyIds(0, 151)).toEqual({ counted: 1, duplicates: 150 });
  expect(await bucketKeys('first')).toHaveLength(4);
});

test('200,000 ids take at most 12 bytes each: all buckets are integer sets', async () => {
  expect(await applyIds(0, 200_000)).toEqual({ counted: 200_000, duplicates: 0 });
  const keys = await bucketKeys('first');
  expect(keys.length).toBeGreaterThan(1_000);
  let bytes = 0;
  let largest = 0;
  const encodings = new Set<unknown>();
  const asked = store.redis.pipeline();
  for (const key of keys) asked.object('ENCODING', key).memory('USAGE', key).scard(key);
  const answers = (await asked.exec()) ?? [];
  for (let i = 0; i < answers.length; i += 3) {
    encodings.add(answers[i]![1]);
    bytes += Number(answers[i + 1]![1]);
    largest = Math.max(largest, Number(answers[i + 2]![1]));
  }
  expect([...encodings]).toEqual(['intset']);
  expect(largest).toBeLessThan(512);
  expect(bytes / 200_000).toBeLessThanOrEqual(12);
});

test('periods before the previous one are forgotten, bucket by bucket, and only those', async () => {
  await applyIds(0, 3_000);
  await freeze(store, 0, '2026-07');
  await applyIds(3_000, 4_000);
  expect(await forgetIds(store, 0)).toEqual([]);
  await freeze(store, 0, '2026-08');
  await applyIds(4_000, 5_000);
  expect(await forgetIds(store, 0)).toEqual(['first']);
  expect(await forgetIds(store, 0)).toEqual([]);
  expect(await bucketKeys('first')).toEqual([]);
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
  await applyIds(0, 3_000);
  await freeze(store, 0, '2026-07');
  await freeze(store, 0, '2026-08');
  await store.redis.unlink((await bucketKeys('first')).slice(0, 7));
  expect(await forgetIds(store, 0)).toEqual(['first']);
  expect(await bucketKeys('first')).toEqual([]);
});
