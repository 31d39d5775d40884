import { Redis } from 'ioredis';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import { freePort } from '../../../src/dev/services/free-port';
import type { NativeService } from '../../../src/dev/services/service';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { emptyRedis } from '../../../src/redis/empty-redis';
import { eachPageOfKeys } from '../../../src/redis/scan';
import { initCursor, readCursor, readCursors } from '../../../src/redis/cursors';
import { freeze } from '../../../src/redis/cut-offs';
import { forgetIds } from '../../../src/redis/apply/forget-ids';
import { projectsView } from '../../../src/redis/views/ledger-view';
import {
  invoicesView,
  invoicedProjects,
  readInvoice,
  readInvoicedBefore,
} from '../../../src/redis/views/invoices';
import { writeInvoices } from '../../../src/redis/views/write-invoices';
import { placeProjects, projectsOf, readTotals, writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, RedisUnavailableError, type Store } from '../../../src/redis/store';
import { chunk, event } from '../../kit/redis/rated-events';
import { startSentinel } from '../../kit/servers/sentinel';
import { startRedisCluster, type RedisCluster } from '../../kit/servers/redis-cluster';

const TOPIC = 'usage.session';

test.each(['redis', 'redis+cluster'])(
  'a %s that is not there is named, without its password',
  async (scheme) => {
    const port = await freePort();
    const opening = openStore({ url: `${scheme}://user:secret@127.0.0.1:${port}`, prefix: '' });
    const error = await opening.catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(RedisUnavailableError);
    expect((error as Error).message).toContain(`${scheme}://127.0.0.1:${port}`);
    expect(JSON.stringify(error) + String(error)).not.toContain('secret');
  },
);

describe('a Sentinel', () => {
  let sentinel: NativeService;
  beforeAll(async () => (sentinel = await startSentinel()));
  afterAll(() => sentinel.stop());

  test.each(['alone', 'beside others'])('is refused by name, %s', async (how) => {
    const url = how === 'alone' ? `redis://${sentinel.address}` : `${sentinel.address},${sentinel.address}`;
    await expect(openStore({ url, prefix: '' })).rejects.toMatchObject({
      ...{ code: 'REDIS_IS_A_SENTINEL', message: expect.stringContaining(sentinel.address) as string },
    });
  });
});

describe('a Redis that goes away', () => {
  let redis: NativeService;
  let store: Store;
  beforeEach(async () => {
    redis = await startNativeRedis((line) => process.stderr.write(`${line}\n`));
    store = await openStore({ url: `redis://${redis.address}`, prefix: '' });
    await initCursor(store, 0, TOPIC, 0);
  });
  afterEach(async () => {
    await store.close();
    await redis.stop();
  });

  test('comes back: the command that waited is carried out once', async () => {
    await redis.kill('SIGTERM');
    const waiting = apply(store, 0, chunk(TOPIC, 0, [event(0), event(1)]));
    await redis.restart();
    expect(['APPLIED', 'ALREADY_APPLIED']).toContain((await waiting).answer);
    expect(await apply(store, 0, chunk(TOPIC, 0, [event(0), event(1)]))).toMatchObject({
      answer: 'ALREADY_APPLIED',
    });
    await writeShardCount(store, 1);
    expect(await readTotals(store, 'acme', '2026-07')).toEqual(new Map([['session.webrtc', 120n]]));
  });

  test('answers several commands in their order, and tells the error of one', async () => {
    expect(await store.send([])).toEqual([]);
    const field = ['hset', 'hash', '__proto__', 'a'] as const;
    expect(await store.send([['set', 'text', 1], field, ['hgetall', 'hash'], ['get', 'text']])).toEqual([
      'OK',
      1,
      Object.defineProperty({}, '__proto__', { value: 'a', enumerable: true }),
      '1',
    ]);
    await expect(
      store.send([
        ['get', 'text'],
        ['hgetall', 'text'],
      ]),
    ).rejects.toThrow(/WRONGTYPE/);
    redis.pause();
    await expect(store.send([['get', 'text']])).rejects.toThrow(RedisUnavailableError);
    redis.resume();
  });

  test('stays silent: the command fails before a Kafka session would end', async () => {
    redis.pause();
    const start = Date.now();
    await expect(apply(store, 0, chunk(TOPIC, 0, [event(0)]))).rejects.toThrow(RedisUnavailableError);
    expect(Date.now() - start).toBeLessThan(15_000);
    redis.resume();
    await expect(readCursor(store, 0, TOPIC)).resolves.toEqual(expect.any(Number));
  });

  test('comes back after a command has failed: the command is not carried out any more', async () => {
    await redis.kill('SIGKILL');
    await expect(initCursor(store, 1, TOPIC, 0)).rejects.toThrow(RedisUnavailableError);
    await redis.restart();
    expect(await readCursor(store, 0, TOPIC)).toBe(0);
    expect(await readCursor(store, 1, TOPIC)).toBeUndefined();
  });

  test('is closed once, however often it is asked, also when nobody answers', async () => {
    await redis.kill('SIGKILL');
    const closing = store.close();
    expect(store.close()).toBe(closing);
    await closing;
  });
});

async function keysOf(store: Store): Promise<string[]> {
  const found = new Set<string>();
  for (const pattern of store.keys.patterns)
    for await (const keys of eachPageOfKeys(store, pattern)) for (const key of keys) found.add(key);
  return [...found].sort();
}

describe('a Redis Cluster', () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster.stop());

  test.each([
    ['nodes separated by commas', () => cluster.nodes.map(({ address }) => address).join(',')],
    ['one node to ask', () => `redis+cluster://${cluster.nodes[1]!.address}`],
  ])('%s: everything works across its nodes', async (name, url) => {
    const store = await openStore({ url: url(), prefix: name.length.toString() });
    try {
      await writeShardCount(store, 4);
      for (let shard = 0; shard < 4; shard += 1) {
        await initCursor(store, shard, TOPIC, 0);
        const events = Array.from({ length: 500 }, (_, i) => event(i, { project: `p-${i % 3}` }));
        expect(await apply(store, shard, chunk(TOPIC, 0, events))).toMatchObject({
          answer: 'APPLIED',
          counted: 500,
        });
        expect(await freeze(store, shard, '2026-07')).toEqual(new Map([[TOPIC, 500]]));
        expect(
          await apply(store, shard, chunk(TOPIC, 500, [event(500, { id: 'id-1', project: 'p-1' })])),
        ).toMatchObject({
          duplicates: 1,
        });
        await freeze(store, shard, '2026-08');
        expect(await forgetIds(store, shard)).toEqual(['first']);
        expect(await readCursors(store, shard)).toEqual(new Map([[TOPIC, 501]]));
      }
      expect(await readTotals(store, 'p-0', '2026-07')).toEqual(
        new Map([['session.webrtc', 4n * 167n * 60n]]),
      );
      const found: string[] = [];
      for await (const project of projectsOf(store, '2026-07')) found.push(project);
      expect(found.sort()).toEqual(['p-0', 'p-1', 'p-2']);
      expect(
        await store.send([0, 1, 2, 3].map((shard) => ['hlen', store.keys.totals(shard, '2026-07', 'p-0')])),
      ).toEqual([1, 1, 1, 1]);
      expect(await placeProjects(store, '2026-07', ['p-0', 'none'])).toEqual([
        { project: 'p-0', shards: [0, 1, 2, 3] },
        { project: 'none', shards: [] },
      ]);
      const invoices = Array.from({ length: 20 }, (_, i) => ({
        project: `i-${i}`,
        entry: '2026-06',
        json: `{"number":"i-${i}-0001"}`,
      }));
      await writeInvoices(store, invoices);
      expect(
        await readInvoicedBefore(
          store,
          '2026-07',
          invoices.map(({ project }) => project),
        ),
      ).toEqual(
        invoices.map(({ json }) => ({
          ...{ count: 1, creditNoteCount: 0, hasCreditNote: false },
          last: json,
        })),
      );
      await writeInvoices(store, [{ project: 'p-0', entry: '2026-07', json: '{}' }]);
      expect(await readInvoice(store, 'p-0', '2026-07')).toBe('{}');
      // View and position lie in one slot: no failover loses one without the other.
      const projects = projectsView(store);
      const begun = { next: 1, topicId: 'id', run: 'run' };
      await projects.forget();
      expect(
        await projects.show(await projects.find(), begun, [{ key: 'p', value: '{}', offset: 0 }]),
      ).toMatchObject({
        added: 1,
      });
      expect((await projects.find()).position).toEqual(begun);
      // Those of invoices lie apart: an index lists them.
      const shown = invoicesView(store);
      await shown.show(await shown.find(), begun, []);
      expect((await invoicesView(store).find()).position).toEqual(begun);
      for await (const project of invoicedProjects(store, '2026-07')) expect(project).toBe('p-0');

      const emptied = await openStore({ url: url(), prefix: `${name.length}-emptied` });
      await writeShardCount(emptied, 4);
      for (let shard = 0; shard < 4; shard += 1) {
        await initCursor(emptied, shard, TOPIC, 0);
        await apply(emptied, shard, chunk(TOPIC, 0, [event(0)]));
      }
      await emptyRedis(emptied, 4);
      expect(await keysOf(emptied)).toEqual(
        [
          emptied.keys.rebuilding,
          ...[0, 1, 2, 3].map((shard) => emptied.keys.shard(shard).rebuilding),
        ].sort(),
      );
      await emptied.close();
      expect((await keysOf(store)).length).toBeGreaterThan(40); // The others keep theirs.
      for (const { port } of cluster.nodes) {
        const node = new Redis(port);
        expect(await node.dbsize()).toBeGreaterThan(0);
        node.disconnect();
      }
    } finally {
      await store.close();
    }
  });
});
