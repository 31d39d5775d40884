import { mkdir, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import type { NativeService } from '../../../src/dev/services/service';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { initCursor } from '../../../src/redis/cursors';
import { FingerprintSet } from '../../../src/dedup/fingerprint-set';
import { findTornShards } from '../../../src/redis/checks/find-double-counts';
import { freeze, restoreFreeze } from '../../../src/redis/cut-offs';
import { readTotals, writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, type Store } from '../../../src/redis/store';
import { eventually } from '../../kit/eventually';
import { testRedisUrl, uniquePrefix } from '../../kit/services';
import { dumpAll } from '../../kit/redis/dump';
import { readDaily } from '../../kit/redis/read-daily';
import { chunk, event } from '../../kit/redis/rated-events';

const TOPIC = 'usage.session';
const MOST = 9223372036854775807n;

let store: Store;
let prefix: string;

beforeEach(async () => {
  prefix = uniquePrefix();
  store = await openStore({ url: testRedisUrl(), prefix });
  await writeShardCount(store, 1);
  await initCursor(store, 0, TOPIC, 10);
});

afterEach(async () => {
  await store.redis.del(await store.redis.keys(`${prefix}:*`));
  await store.close();
});

const applied = (counted: number, duplicates = 0, late = 0): object => ({
  answer: 'APPLIED',
  counted,
  duplicates,
  late,
  voided: 0,
  unknownVoids: 0,
});
const webrtc = (quantity: bigint | number | string): Pick<ReturnType<typeof event>, 'usages'> => ({
  usages: [{ meter: 'session.webrtc', quantity: String(quantity) }],
});

describe('the answers', () => {
  test('a chunk at the cursor is applied, once', async () => {
    const first = chunk(TOPIC, 10, [event(10), event(12)], 14);
    expect(await apply(store, 0, first)).toEqual(applied(2));
    expect(await apply(store, 0, first)).toEqual({ answer: 'ALREADY_APPLIED', cursor: 14 });
    expect(await readTotals(store, 'acme', '2026-07')).toEqual(new Map([['session.webrtc', 120n]]));
  });

  test('a chunk that begins before the cursor overlaps, one behind it leaves a gap; neither is written', async () => {
    const before = await dumpAll(store, prefix);
    expect(await apply(store, 0, chunk(TOPIC, 9, [event(9), event(10)]))).toEqual({
      answer: 'OVERLAP',
      cursor: 10,
    });
    expect(await apply(store, 0, chunk(TOPIC, 11, [event(11)]))).toEqual({ answer: 'GAP', cursor: 10 });
    expect(await dumpAll(store, prefix)).toEqual(before);
  });

  test('without a cursor nothing is applied, and none is made', async () => {
    expect(await apply(store, 0, chunk('usage.agent', 0, [event(0)]))).toEqual({ answer: 'UNINITIALISED' });
    expect(await apply(store, 1, chunk(TOPIC, 10, [event(10)]))).toEqual({ answer: 'UNINITIALISED' });
    expect(Object.keys(await dumpAll(store, prefix))).toHaveLength(2);
  });

  test('a chunk without events moves the cursor', async () => {
    expect(await apply(store, 0, chunk(TOPIC, 10, [], 20))).toEqual(applied(0));
    expect(await apply(store, 0, chunk(TOPIC, 20, [event(20)]))).toEqual(applied(1));
  });

  test('offsets keep their value beyond what Lua prints by itself', async () => {
    const far = 2 ** 53 - 10;
    await initCursor(store, 0, 'usage.agent', far);
    expect(await apply(store, 0, chunk('usage.agent', far, [event(far)]))).toEqual(applied(1));
    expect(await freeze(store, 0, '2026-07')).toEqual(
      new Map([
        ['usage.agent', far + 1],
        [TOPIC, 10],
      ]),
    );
    expect(await apply(store, 0, chunk('usage.agent', far + 1, [event(far + 1)]))).toEqual(applied(1, 0, 1));
  });
});

describe('identity', () => {
  test('an event without usage takes its identity', async () => {
    expect(await apply(store, 0, chunk(TOPIC, 10, [event(10, { id: 'a', usages: [] })]))).toEqual(applied(1));
    expect(await apply(store, 0, chunk(TOPIC, 11, [event(11, { id: 'a' })]))).toEqual(applied(0, 1));
    expect(await readTotals(store, 'acme', '2026-07')).toEqual(new Map());
  });

  test('topic, project, source and id make it; time and quantities do not', async () => {
    const events = [
      event(10, { id: 'a' }),
      event(11, { id: 'a', day: '2026-07-16' }),
      event(12, { id: 'a', ...webrtc(600) }),
      event(13, { id: 'A' }),
      event(14, { id: 'a', project: 'other' }),
      event(15, { id: 'a', source: '/sfu/2' }),
      event(16, { id: '1a', source: '/sfu/' }),
    ];
    expect(await apply(store, 0, chunk(TOPIC, 10, events))).toEqual(applied(5, 2));
    await initCursor(store, 0, 'usage.agent', 0);
    expect(await apply(store, 0, chunk('usage.agent', 0, [event(0, { id: 'a' })]))).toEqual(applied(1));
  });

  test('an id is known in the month open after its own, and forgotten after that', async () => {
    const again = (offset: number) => chunk(TOPIC, offset, [event(offset, { id: 'a' })]);
    expect(await apply(store, 0, again(10))).toEqual(applied(1));
    await freeze(store, 0, '2026-07');
    expect(await apply(store, 0, again(11))).toEqual(applied(0, 1));
    await freeze(store, 0, '2026-08');
    expect(await apply(store, 0, again(12))).toEqual(applied(1, 0, 1));
  });
});

describe('late usage', () => {
  test('stands in the open month under its own month, and by its own day', async () => {
    await freeze(store, 0, '2026-06');
    await freeze(store, 0, '2026-07');
    const events = [
      event(10),
      event(11, { month: '2026-05', day: '2026-05-31' }),
      event(12, { month: '2026-08', day: '2026-08-01' }),
      event(13, { month: '2026-09', day: '2026-09-01' }),
    ];
    expect(await apply(store, 0, chunk(TOPIC, 10, events))).toEqual(applied(4, 0, 2));
    expect(await readTotals(store, 'acme', '2026-08')).toEqual(
      new Map([
        ['2026-07@session.webrtc', 60n],
        ['2026-05@session.webrtc', 60n],
        ['session.webrtc', 60n],
      ]),
    );
    expect(await readDaily(store, 'acme', '2026-08')).toEqual(
      new Map([
        ['2026-07-15/session.webrtc', 60n],
        ['2026-05-31/session.webrtc', 60n],
        ['2026-08-01/session.webrtc', 60n],
      ]),
    );
    expect(await readTotals(store, 'acme', '2026-09')).toEqual(new Map([['session.webrtc', 60n]]));
    expect(await readTotals(store, 'acme', '2026-07')).toEqual(new Map());
  });

  test('a chunk that is cut by the freezes of two months counts each part in its month', async () => {
    await restoreFreeze(store, 0, '2026-07', new Map([[TOPIC, 11]]));
    await restoreFreeze(store, 0, '2026-08', new Map([[TOPIC, 13]]));
    const events = [10, 11, 12, 13, 14].map((offset) => event(offset));
    expect(await apply(store, 0, chunk(TOPIC, 10, events))).toEqual(applied(5, 0, 4));
    const late = new Map([['2026-07@session.webrtc', 120n]]);
    expect(await readTotals(store, 'acme', '2026-07')).toEqual(new Map([['session.webrtc', 60n]]));
    expect(await readTotals(store, 'acme', '2026-08')).toEqual(late);
    expect(await readTotals(store, 'acme', '2026-09')).toEqual(late);
  });
});

describe('ids that are in memory here', () => {
  const counted = async (own: Store, offset: number, id: string): Promise<object> =>
    apply(own, 0, chunk(TOPIC, offset, [event(offset, { id })]));

  test('another process adds some: they are read again', async () => {
    const other = await openStore({ url: testRedisUrl(), prefix });
    expect(await counted(store, 10, 'a')).toEqual(applied(1));
    expect(await counted(other, 11, 'a')).toEqual(applied(0, 1));
    expect(await counted(other, 12, 'b')).toEqual(applied(1));
    expect(await counted(store, 13, 'b')).toEqual(applied(0, 1));
    expect(await counted(store, 14, 'c')).toEqual(applied(1));
    await other.close();
  });

  test('Redis goes back: what it has lost is forgotten here too', async () => {
    await counted(store, 10, 'a');
    const before = await store.redis.dumpBuffer(store.keys.idSegment(0, 'first', TOPIC, 0));
    await counted(store, 11, 'b');
    await store.redis.restore(store.keys.idSegment(0, 'first', TOPIC, 0), 0, before, 'REPLACE');
    await store.redis.hset(store.keys.ids(0, 'first'), TOPIC, 1);
    await store.redis.hset(store.keys.shard(0).cursor, TOPIC, 11);
    expect(await counted(store, 11, 'b')).toEqual(applied(1));
    expect(await counted(store, 12, 'a')).toEqual(applied(0, 1));
  });

  test('a reply is lost: the chunk is not counted again, and what it added is known', async () => {
    await counted(store, 10, 'a');
    const lost = jest.spyOn(FingerprintSet.prototype, 'addAll').mockImplementationOnce(() => {
      throw new Error('no reply');
    });
    await expect(counted(store, 11, 'b')).rejects.toThrow('no reply');
    lost.mockRestore();
    expect(await counted(store, 11, 'b')).toEqual({ answer: 'ALREADY_APPLIED', cursor: 12 });
    expect(await counted(store, 12, 'b')).toEqual(applied(0, 1));
  });

  test('a log of ids that is shorter than its number says stops the consumer, and writes nothing', async () => {
    await counted(store, 10, 'a');
    await store.redis.set(store.keys.idSegment(0, 'first', TOPIC, 0), 'half');
    const before = await dumpAll(store, prefix);
    const { detail } = (await counted(store, 11, 'b')) as { detail: string };
    expect(detail).toMatch(/ids of usage.session are damaged: 1 were counted/);
    expect(await dumpAll(store, prefix)).toEqual(before);
  });

  test('those of partitions that went to others are given up', async () => {
    await initCursor(store, 1, TOPIC, 0);
    await counted(store, 10, 'a');
    await apply(store, 1, chunk(TOPIC, 0, [event(0)]));
    store.dedupIndex.keepOnly(TOPIC, [1]);
    expect([store.dedupIndex.of(0, TOPIC), store.dedupIndex.of(1, TOPIC)?.own.ids.size]).toEqual([
      undefined,
      1,
    ]);
    store.dedupIndex.keepOnly('session', []);
    expect(store.dedupIndex.of(1, TOPIC)).toBeDefined();
    expect(await counted(store, 11, 'a')).toEqual(applied(0, 1));
  });
});

describe('large amounts', () => {
  test.each([2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 62n + 1n, MOST])(
    '%s is counted exactly',
    async (most) => {
      expect(await apply(store, 0, chunk(TOPIC, 10, [event(10, webrtc(most))]))).toEqual(applied(1));
      expect(await readTotals(store, 'acme', '2026-07')).toEqual(new Map([['session.webrtc', most]]));
      expect(await readDaily(store, 'acme', '2026-07')).toEqual(
        new Map([['2026-07-15/session.webrtc', most]]),
      );
    },
  );

  test('a large duplicate is taken out of its sum exactly', async () => {
    const large = 2n ** 53n - 1n;
    const events = [
      event(10, { id: 'a', ...webrtc(large) }),
      event(11, { id: 'b', ...webrtc(1) }),
      event(12, { id: 'a', ...webrtc(large) }),
      event(13, { id: 'b', ...webrtc(large + 5n) }),
      event(14, { id: 'c', ...webrtc(large + 5n) }),
    ];
    expect(await apply(store, 0, chunk(TOPIC, 10, events))).toEqual(applied(3, 2));
    expect((await readTotals(store, 'acme', '2026-07')).get('session.webrtc')).toBe(2n * large + 6n);
  });
});

describe('a rejected chunk leaves every key as it was, byte by byte', () => {
  const overflow = 'a total would pass 2^63-1';
  const full = event(10, { id: 'full', project: 'full', ...webrtc(MOST - 100n) });
  const some = [event(11), event(12, { month: '2026-08', day: '2026-08-01' }), event(13, { project: 'new' })];

  test.each([
    ['a total that is there', [...some, event(14, { project: 'full', ...webrtc(101) }), event(15)], overflow],
    ['usage of one chunk', [...some, event(14, webrtc(MOST)), event(15, webrtc(MOST))], overflow],
    ['quantity zero', [...some, event(14, webrtc(0))], 'offset 14: "0" is not a quantity from 1 to 2^63-1'],
    ['quantity -1', [...some, event(14, webrtc(-1))], 'offset 14: "-1" is not a quantity from 1 to 2^63-1'],
    ['quantity 007', [event(11, webrtc('007'))], 'offset 11: "007" is not a quantity from 1 to 2^63-1'],
    ['quantity 1e3', [event(11, webrtc('1e3'))], 'offset 11: "1e3" is not a quantity from 1 to 2^63-1'],
    ['no quantity', [event(11, webrtc(''))], 'offset 11: "" is not a quantity from 1 to 2^63-1'],
    [
      'quantity 2^63',
      [event(11, webrtc(MOST + 1n))],
      `offset 11: "${MOST + 1n}" is not a quantity from 1 to 2^63-1`,
    ],
    ['an offset before the chunk', [event(10)], 'offset 10 is not between 10 and 19'],
    ['an offset twice', [event(11), event(11)], 'offset 11 is not between 11 and 19'],
    ['offsets that go down', [event(12), event(11)], 'offset 11 is not between 12 and 19'],
    ['a broken offset', [event(11.5)], 'offset 11.5 is not between 10 and 19'],
    [
      'a day of another month',
      [event(11, { day: '2026-08-15' })],
      'offset 11: "2026-08-15" is not a day of "2026-07"',
    ],
    [
      'no month',
      [event(11, { month: '2026-13', day: '2026-13-01' })],
      'offset 11: "2026-13-01" is not a day of "2026-13"',
    ],
  ])('%s', async (_, events, detail) => {
    await apply(store, 0, chunk(TOPIC, 10, [full]));
    const before = await dumpAll(store, prefix);
    expect(await apply(store, 0, chunk(TOPIC, 11, events, 19))).toEqual({ answer: 'REJECTED', detail });
    expect(await dumpAll(store, prefix)).toEqual(before);
    expect(await apply(store, 0, chunk(TOPIC, 11, some))).toEqual(applied(3));
  });

  test.each([
    [11, 10],
    [-1, 11],
    [10, 11.5],
    [10, Number.NaN],
    [10, 2 ** 53],
  ])('no range: %s to %s', async (from, next) => {
    const before = await dumpAll(store, prefix);
    const detail = `from ${from} to ${next} is not a range of offsets`;
    expect(await apply(store, 0, chunk(TOPIC, from, [], next))).toEqual({ answer: 'REJECTED', detail });
    expect(await dumpAll(store, prefix)).toEqual(before);
  });

  const project = (...fields: unknown[]): string => JSON.stringify([[['2026-07:acme', ...fields]], []]);
  test.each([
    ['no JSON', { usages: '{' }, /not two lists/],
    ['JSON of another shape', { usages: '7' }, /not two lists/],
    ['a list missing', { usages: '[[]]' }, /not two lists/],
    ['a field without a sum', { usages: project('a', '60', 'b') }, /the sum of b is not a positive integer/],
    ['a bad sum behind a good one', { usages: project('a', '60', 'b', 7) }, /the sum of b/],
    ['a negative sum', { usages: project('a', '-60') }, /the sum of a/],
    ['a sum of zero', { usages: project('a', '0') }, /the sum of a/],
    ['an overlong sum', { usages: project('a', '1'.repeat(17)) }, /the sum of a/],
    ['a sum that is not an integer', { usages: project('a', '6.5') }, /not an integer/],
    ['fingerprints cut off', { fingerprints: Buffer.alloc(9, 1) }, /8 bytes/],
  ])('malformed in the packing: %s', async (_, changes, detail) => {
    const keys = store.keys.shard(0);
    const before = await dumpAll(store, prefix);
    const { fingerprints, usages } = {
      ...{ fingerprints: Buffer.alloc(8, 1), usages: project('a', '60') },
      ...changes,
    };
    const send = store.redis.applyChunk(
      ...[keys.cursor, keys.closed, keys.totalsStem, keys.dailyStem, keys.projectsStem, keys.idsStem],
      keys.writes,
      ...[TOPIC, '10', '11', 'first', '', '0', '0', fingerprints, usages],
    );
    expect(await send.then(String, String)).toMatch(detail);
    expect(await dumpAll(store, prefix)).toEqual(before);
  });
});

describe('an error of Redis is an error, and leaves every key as it was', () => {
  const events = [
    event(10),
    event(11, { month: '2026-08', day: '2026-08-01' }),
    event(12, { project: 'other' }),
  ];

  test.each([
    ['totals', () => store.keys.totals(0, '2026-07', 'other')],
    ['daily', () => store.keys.daily(0, '2026-08', 'acme')],
    ['projects', () => store.keys.projectsOfMonth(0, '2026-08')],
    ['ids', () => store.keys.ids(0, 'first')],
    ['segment', () => store.keys.idSegment(0, 'first', TOPIC, 0)],
    ['closed', () => store.keys.shard(0).closed],
  ])('a key of another type: %s', async (_, key) => {
    await store.redis.del(key());
    await store.redis.rpush(key(), 'not mine');
    const before = await dumpAll(store, prefix);
    await expect(apply(store, 0, chunk(TOPIC, 10, events))).rejects.toThrow(/WRONGTYPE/);
    expect(await dumpAll(store, prefix)).toEqual(before);
    await store.redis.del(key());
    expect(await apply(store, 0, chunk(TOPIC, 10, events))).toEqual(applied(3));
  });

  describe('Redis refuses to write', () => {
    let redis: NativeService;
    let own: Store;
    beforeAll(async () => {
      redis = await startNativeRedis((line) => process.stderr.write(`${line}\n`));
      own = await openStore({ url: `redis://${redis.address}`, prefix: 'own' });
    });
    beforeEach(async () => {
      await own.redis.config('SET', 'maxmemory', '0');
      await own.redis.flushall();
      await writeShardCount(own, 1);
      await initCursor(own, 0, TOPIC, 10);
    });
    afterAll(async () => {
      await own.close();
      await redis.stop();
    });

    test.each([
      ['OOM', ['maxmemory', '1mb'], ['maxmemory', '0']],
      ['NOREPLICAS', ['min-replicas-to-write', '1'], ['min-replicas-to-write', '0']],
    ])('%s', async (code, refuse, allow) => {
      const before = await dumpAll(own, 'own');
      await own.redis.config('SET', ...(refuse as [string, string]));
      await expect(apply(own, 0, chunk(TOPIC, 10, events))).rejects.toThrow(new RegExp(code));
      await expect(apply(own, 0, chunk(TOPIC, 10, [], 11))).rejects.toThrow(new RegExp(code));
      await own.redis.config('SET', ...(allow as [string, string]));
      expect(await dumpAll(own, 'own')).toEqual(before);
    });

    test('READONLY', async () => {
      const before = await dumpAll(own, 'own');
      await own.redis.replicaof('127.0.0.1', 1);
      await expect(apply(own, 0, chunk(TOPIC, 10, events))).rejects.toThrow(/READONLY/);
      await own.redis.replicaof('NO', 'ONE');
      expect(await dumpAll(own, 'own')).toEqual(before);
      expect(await apply(own, 0, chunk(TOPIC, 10, events))).toEqual(applied(3));
    });

    test('MISCONF', async () => {
      const before = await dumpAll(own, 'own');
      // A snapshot cannot take the name of a folder.
      const inTheWay = join(((await own.redis.config('GET', 'dir')) as [string, string])[1], 'dump.rdb');
      await mkdir(inTheWay);
      await own.redis.config('SET', 'save', '3600 1');
      await own.redis.bgsave();
      await eventually(async () => (await own.redis.info()).includes('rdb_last_bgsave_status:err'));
      await expect(apply(own, 0, chunk(TOPIC, 10, events))).rejects.toThrow(/MISCONF/);
      await own.redis.config('SET', 'save', '');
      await rmdir(inTheWay);
      expect(await dumpAll(own, 'own')).toEqual(before);
      expect(await apply(own, 0, chunk(TOPIC, 10, events))).toEqual(applied(3));
    });

    const MANY = 4_000;
    const many = (from: number) =>
      chunk(
        TOPIC,
        from,
        Array.from({ length: MANY }, (_, i) => event(from + i, { project: `p${i}` })),
      );
    /** Every project has as many minutes, in all and by day. */
    const expectMinutes = async (minutes: number): Promise<void> => {
      const expected = minutes === 0 ? undefined : BigInt(60 * minutes);
      for (const project of ['p0', `p${MANY / 2}`, `p${MANY - 1}`]) {
        expect((await readTotals(own, project, '2026-07')).get('session.webrtc')).toBe(expected);
        const days = await readDaily(own, project, '2026-07');
        expect(days.get('2026-07-15/session.webrtc')).toBe(expected);
      }
      expect(await findTornShards(own, 1)).toEqual([]);
    };

    test('OOM: memory that runs out within a chunk does not end it, and the next one is refused', async () => {
      const before = await dumpAll(own, 'own');
      let room = Number(/used_memory:(\d+)/.exec(await own.redis.info('memory'))![1]);
      // The chunk itself takes memory, too, before the script begins.
      await eventually(
        async () => {
          await own.redis.config('SET', 'maxmemory', String((room += 50_000)));
          const answer = await apply(own, 0, many(10)).catch((error: Error) => error.message);
          if (typeof answer !== 'string') return true;
          expect(answer).toMatch(/OOM/);
          expect(await dumpAll(own, 'own')).toEqual(before);
          return false;
        },
        { timeoutMs: 60_000, what: 'a chunk begins just below the limit' },
      );
      await expect(apply(own, 0, many(10 + MANY))).rejects.toThrow(/OOM/);
      await own.redis.config('SET', 'maxmemory', '0');
      await expectMinutes(1);
      expect(await apply(own, 0, many(10 + MANY))).toEqual(applied(MANY));
      await expectMinutes(2);
    });

    test('SCRIPT KILL: refused in the middle of the writes, and nothing is written before', async () => {
      const killer = new Redis(redis.port);
      // ioredis asks a new connection whether Redis is ready, and a busy one answers with an error.
      killer.on('error', () => undefined);
      await own.redis.config('SET', 'busy-reply-threshold', '1');
      const answers = new Set<string>();
      let times = 0;
      await eventually(
        async () => {
          let isOver = false as boolean;
          const applying = apply(own, 0, many(10 + times * MANY)).finally(() => {
            isOver = true;
          });
          const outcome = applying.then(
            ({ answer }) => answer,
            (error: Error) => error.message,
          );
          while (!isOver)
            answers.add(
              await killer.call('SCRIPT', 'KILL').then(
                () => 'KILLED',
                (error: Error) => error.message.split(' ')[0]!,
              ),
            );
          if ((await outcome) === 'APPLIED') times += 1;
          return answers.has('UNKILLABLE');
        },
        { timeoutMs: 60_000, what: 'a script that writes is asked to end' },
      );
      killer.disconnect();
      await own.redis.config('SET', 'busy-reply-threshold', '5000');
      await expectMinutes(times);
    });

    test.each([
      ...['hincrby', 'hget', 'hdel', 'hmget', 'hset', 'sadd', 'srem', 'get', 'set', 'append', 'strlen'].map(
        (command) => [command, `~* +@all -${command}`],
      ),
      ['the days', 'resetkeys ~own:usage:{0}:[^d]* +@all'],
      ['the projects', 'resetkeys ~own:usage:{0}:[^p]* +@all'],
    ])('NOPERM: a user without the right to %s', async (_, rights) => {
      const set = (text: string) => own.redis.call('ACL', 'SETUSER', 'limited', ...text.split(' '));
      await set(`reset on nopass ${rights}`);
      const limited = await openStore({ url: `redis://limited:any@${redis.address}`, prefix: 'own' });
      const taken = chunk(TOPIC, 10, [...events, event(13, { id: events[0]!.id, isVoid: true })]);
      const voided = chunk(TOPIC, 13, [event(13, { id: events[0]!.id, isVoid: true })]);
      const before = await dumpAll(own, 'own');
      await expect(apply(limited, 0, taken)).rejects.toMatchObject({ code: 'REDIS_ACCESS' });
      expect(await dumpAll(own, 'own')).toEqual(before);
      // The same for a void.
      await apply(own, 0, chunk(TOPIC, 10, events));
      const counted = await dumpAll(own, 'own');
      await expect(apply(limited, 0, voided)).rejects.toMatchObject({ code: 'REDIS_ACCESS' });
      expect(await dumpAll(own, 'own')).toEqual(counted);
      await set('~* +@all');
      expect(await apply(limited, 0, taken)).toMatchObject({ answer: 'OVERLAP', cursor: 13 });
      expect(await apply(limited, 0, voided)).toMatchObject({ answer: 'APPLIED', voided: 1 });
      // The same for a void whose event was taken back already.
      const again = chunk(TOPIC, 14, [event(14, { id: events[0]!.id, isVoid: true })]);
      const takenBack = await dumpAll(own, 'own');
      await set(`reset on nopass ${rights}`);
      await expect(apply(limited, 0, again)).rejects.toMatchObject({ code: 'REDIS_ACCESS' });
      expect(await dumpAll(own, 'own')).toEqual(takenBack);
      await set('~* +@all');
      expect(await apply(limited, 0, again)).toMatchObject({ answer: 'APPLIED', duplicates: 1 });
      expect(await readTotals(own, 'acme', '2026-07')).toEqual(new Map());
      expect(await readTotals(own, 'other', '2026-07')).toEqual(new Map([['session.webrtc', 60n]]));
      await limited.close();
    });

    test('what was written in part stops the next chunk and the next void', async () => {
      await apply(own, 0, chunk(TOPIC, 10, events));
      await own.redis.hincrby(own.keys.shard(0).writes, 'begun', 1);
      const before = await dumpAll(own, 'own');
      for (const isVoid of [false, true])
        await expect(
          apply(own, 0, chunk(TOPIC, 13, [event(13, isVoid ? { isVoid } : {})])),
        ).rejects.toMatchObject({
          code: 'SHARD_TORN',
          message: expect.stringContaining('2 writes began, 1 ended') as string,
        });
      expect(await dumpAll(own, 'own')).toEqual(before);
    });
  });
});
