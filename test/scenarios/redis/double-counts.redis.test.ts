import { readFileSync } from 'node:fs';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import type { NativeService } from '../../../src/dev/services/service';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { initCursor } from '../../../src/redis/cursors';
import {
  checkNotTorn,
  eachProjectThatDiffers,
  findTornShards,
  totalsThatDiffer,
  type ProjectThatDiffers,
} from '../../../src/redis/checks/find-double-counts';
import { freeze } from '../../../src/redis/cut-offs';
import { writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, type Store } from '../../../src/redis/store';
import { appendOnlyFile } from '../../fault/support/proxy/redis-faults';
import { lastTransaction } from '../../kit/redis/append-only-file';
import { chunk, event } from '../../kit/redis/rated-events';

const TOPIC = 'usage.session';
const JULY = '2026-07';

let redis: NativeService;
let store: Store;
beforeAll(async () => {
  redis = await startNativeRedis((line) => process.stderr.write(`${line}\n`));
});
afterAll(() => redis.stop());
beforeEach(async () => {
  store = await openStore({ url: `redis://${redis.address}`, prefix: 't' });
  await store.redis.flushall();
  await writeShardCount(store, 2);
  await initCursor(store, 0, TOPIC, 0);
  await initCursor(store, 1, TOPIC, 0);
});
afterEach(() => store.close());

const voidOf = (offset: number, id: string): ReturnType<typeof event> => event(offset, { id, isVoid: true });

/**
 * Counts something of each kind: usage of two projects, late usage, and two voids, one of an
 * unknown event.
 */
async function count(shard: number): Promise<void> {
  const usages = [event(0), event(1, { project: 'globex' }), event(2)];
  expect(await apply(store, shard, chunk(TOPIC, 0, usages))).toMatchObject({ answer: 'APPLIED' });
  await freeze(store, shard, JULY);
  const later = [event(3), voidOf(4, 'id-3'), voidOf(5, 'unknown'), event(6)];
  expect(await apply(store, shard, chunk(TOPIC, 3, later))).toMatchObject({ answer: 'APPLIED', late: 2 });
}

async function differing(month: string): Promise<ProjectThatDiffers[]> {
  const found: ProjectThatDiffers[] = [];
  for await (const one of eachProjectThatDiffers(store, 2, month)) found.push(one);
  return found;
}

test('what is counted once is whole', async () => {
  await count(0);
  await count(1);
  expect(await findTornShards(store, 2)).toEqual([]);
  await expect(checkNotTorn(store, 2)).resolves.toBeUndefined();
  expect(await differing(JULY)).toEqual([]);
  expect(await differing('2026-08')).toEqual([]);
});

test('a shard from before writes were counted is whole', async () => {
  await count(0);
  await store.redis.del(store.keys.shard(0).writes);
  expect(await findTornShards(store, 2)).toEqual([]);
});

test('any part of what a script writes, carried out once more, makes the shard torn', async () => {
  const kinds = [
    [event(3)],
    [event(3), event(4, { project: 'globex', usages: [] })],
    [voidOf(3, 'id-1')],
    [voidOf(3, 'unknown')],
  ];
  for (const events of kinds) {
    await store.redis.flushall();
    await initCursor(store, 1, TOPIC, 0);
    await apply(store, 1, chunk(TOPIC, 0, [event(0), event(1), event(2)]));
    await apply(store, 1, chunk(TOPIC, 3, events));
    // Written to the file before the reply was.
    const transaction = lastTransaction(readFileSync(appendOnlyFile(redis).path))!;
    const writes = transaction.slice(1, -1).filter(({ words }) => words[0]!.toString() !== 'SELECT');
    expect(writes.length).toBeGreaterThan(3);
    const before = await store.redis.dumpBuffer(store.keys.shard(1).writes);
    for (const [done, { words }] of writes.slice(0, -1).entries()) {
      await store.redis.call(words[0]!.toString(), ...words.slice(1));
      expect({ done, torn: await findTornShards(store, 2) }).toEqual({
        done,
        torn: [{ shard: 1, problem: expect.stringMatching(/writes began, \d+ ended/) }],
      });
    }
    await expect(checkNotTorn(store, 2)).rejects.toMatchObject({
      code: 'SHARD_TORN',
      message: expect.stringContaining('Shard 1'),
    });
    expect(before).not.toBeNull();
  }
});

test('a chunk that is taken back leaves the shard whole', async () => {
  const most = '9223372036854775807';
  const overflowing = [0, 1].map((offset) =>
    event(offset, { usages: [{ meter: 'session.webrtc', quantity: most }] }),
  );
  expect(await apply(store, 0, chunk(TOPIC, 0, overflowing))).toMatchObject({ answer: 'REJECTED' });
  expect(await store.redis.exists(store.keys.shard(0).writes)).toBe(0);
  await apply(store, 0, chunk(TOPIC, 0, [event(0)]));
  expect(
    await apply(
      store,
      0,
      chunk(
        TOPIC,
        1,
        overflowing.map((each) => ({ ...each, offset: each.offset + 1, id: 'x' + each.offset })),
      ),
    ),
  ).toMatchObject({ answer: 'REJECTED' });
  expect(await findTornShards(store, 2)).toEqual([]);
});

test('ids that are stored twice, or not at all, make the shard torn', async () => {
  await count(0);
  const [segment] = await store.redis.keys('t:usage:?0?:ids:first:*');
  await store.redis.append(segment!, '12345678');
  expect(await findTornShards(store, 2)).toEqual([
    { shard: 0, problem: `3 ids of ${TOPIC} in first are counted, 4 are stored` },
  ]);
  await store.redis.del(segment!);
  expect(await findTornShards(store, 2)).toEqual([
    { shard: 0, problem: `3 ids of ${TOPIC} in first are counted, 0 are stored` },
  ]);
});

test('a project whose total or whose day was counted once more is named, with what differs', async () => {
  await count(0);
  await store.redis.hincrby(store.keys.totals(0, JULY, 'globex'), 'session.webrtc', 60);
  expect(await differing(JULY)).toEqual([
    { project: 'globex', shard: 0, fields: ['session.webrtc'], damaged: [] },
  ]);
  await store.redis.hincrby(store.keys.daily(0, '2026-08', 'acme'), '2026-07-05/session.webrtc', 60);
  expect(await differing('2026-08')).toEqual([
    { project: 'acme', shard: 0, fields: ['2026-07@session.webrtc'], damaged: [] },
  ]);
});

describe('totals that differ from their days', () => {
  const map = (entries: Record<string, number>): Map<string, bigint> =>
    new Map(Object.entries(entries).map(([field, quantity]) => [field, BigInt(quantity)]));

  test.each([
    ['nothing at all', {}, {}, []],
    ['days of one meter', { a: 3 }, { '2026-07-01/a': 1, '2026-07-31/a': 2 }, []],
    ['late usage by its month', { '2026-06@a': 1 }, { '2026-06-30/a': 1 }, []],
    ['days that cancel out, without a total', {}, { '2026-06-29/a': 5, '2026-06-30/a': -5 }, []],
    ['a model with a slash and an at', { 'b/x@y/z': 2 }, { '2026-07-01/b/x@y/z': 2 }, []],
    ['a total without days', { a: 1 }, {}, ['a']],
    ['days without a total', {}, { '2026-07-01/a': 1 }, ['a']],
    ['late usage under the open month', { a: 1 }, { '2026-06-30/a': 1 }, ['2026-06@a', 'a']],
  ])('%s', (_, totals, daily, fields) => {
    expect(totalsThatDiffer(JULY, map(totals), map(daily))).toEqual(fields);
  });
});
