import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import type { NativeService } from '../../../src/dev/services/service';
import { infoOf, isRewritten } from '../../../src/redis/checks/append-only-file';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { initCursor } from '../../../src/redis/cursors';
import { findTornShards } from '../../../src/redis/checks/find-double-counts';
import { readTotals, writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, type Store } from '../../../src/redis/store';
import { appendOnlyFile, loseTail, onRedis } from '../../fault/support/proxy/redis-faults';
import { lastTransaction } from '../../kit/redis/append-only-file';
import { chunk, event } from '../../kit/redis/rated-events';
import { startRedisCluster } from '../../kit/servers/redis-cluster';

const TOPIC = 'usage.session';
const JULY = '2026-07';

let redis: NativeService;
const stores: Store[] = [];
beforeEach(async () => {
  redis = await startNativeRedis((line) => process.stderr.write(`${line}\n`));
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await redis.stop();
});

async function open(more: { onlyReads?: boolean; user?: string } = {}): Promise<Store> {
  const { user, ...options } = more;
  const url = `redis://${user ? `${user}@` : ''}${redis.address}`;
  const store = await openStore({ url, prefix: '', ...options });
  stores.push(store);
  return store;
}

const info = (): Promise<Record<string, string>> =>
  onRedis(redis, async (client) => infoOf(await client.info()));

/** Counts one event, a minute of a project of its own. */
async function countOne(store: Store, offset: number): Promise<void> {
  const answer = await apply(store, 0, chunk(TOPIC, offset, [event(offset, { project: `p-${offset}` })]));
  expect(['APPLIED', 'ALREADY_APPLIED']).toContain(answer.answer);
}

/**
 * Leaves a file that ends within a record of the last chunk's writes, after this many whole ones.
 *
 * @returns false if there are fewer
 */
async function tearAfter(records: number): Promise<boolean> {
  const { path } = appendOnlyFile(redis);
  const torn = lastTransaction(readFileSync(path))![records];
  if (torn) await loseTail(redis, torn.start + 5);
  return torn !== undefined;
}

test('a restarted Redis has rewritten its file before a store is open', async () => {
  expect(isRewritten(await info())).toBe(false);
  await open();
  expect(isRewritten(await info())).toBe(true);
  const { aof_rewrites: rewrites } = await info();
  await open();
  expect((await info()).aof_rewrites).toBe(rewrites);
});

test('a process that only reads rewrites nothing', async () => {
  await open({ onlyReads: true });
  expect(isRewritten(await info())).toBe(false);
});

test('several that open at once make do with one rewrite', async () => {
  await Promise.all([open(), open(), open(), open()]);
  expect((await info()).aof_rewrites).toBe('1');
});

test('a torn file, a restart and clean restarts: what is counted again counts once, wherever it was torn', async () => {
  const store = await open();
  await writeShardCount(store, 1);
  await initCursor(store, 0, TOPIC, 0);
  // Within each record, from behind MULTI to EXEC; over the same connection all the time.
  let records = 1;
  for (; ; records += 1) {
    const offset = records - 1;
    await countOne(store, offset);
    if (!(await tearAfter(records))) break;
    await countOne(store, offset);
    for (let restarts = 0; restarts < 2; restarts += 1) {
      await redis.kill('SIGTERM');
      await redis.restart();
      expect({ records, totals: await readTotals(store, `p-${offset}`, JULY) }).toEqual({
        records,
        totals: new Map([['session.webrtc', 60n]]),
      });
    }
    expect(await findTornShards(store, 1)).toEqual([]);
  }
  expect(records).toBeGreaterThan(8);
});

test('a command that was under way when Redis died waits for the rewrite, too', async () => {
  const store = await open();
  await store.redis.set('key', 0);
  await redis.kill('SIGKILL');
  const under = store.redis.incr('key');
  await redis.restart();
  await under;
  const { aof_base_size: base, aof_current_size: current } = await info();
  expect(isRewritten(await info())).toBe(true);
  // Written after the file was: it does not stand in the base.
  expect(Number(current)).toBeGreaterThan(Number(base));
});

test('where Redis keeps no file, or keeps the rewrite to itself, it is opened as it is', async () => {
  await onRedis(redis, async (client) => {
    await client.acl('SETUSER', 'counter', 'on', '>secret', '~*', '+@all', '-bgrewriteaof');
  });
  const store = await open({ user: 'counter:secret' });
  await store.redis.set('key', 1);
  expect(isRewritten(await info())).toBe(false);

  await onRedis(redis, (client) => client.config('SET', 'appendonly', 'no'));
  await (await open()).redis.set('key', 2);
});

test('a rewrite that fails stops every command with a code, and goes on when it succeeds', async () => {
  const folder = join(redis.dataDir, 'appendonlydir');
  renameSync(folder, `${folder}.away`);
  writeFileSync(folder, '');
  await expect(open()).rejects.toMatchObject({
    code: 'REDIS_FILE_NOT_REWRITTEN',
    fields: { address: expect.any(String) as string, reason: expect.any(String) as string },
  });
  await expect(open({ onlyReads: true })).resolves.toBeDefined();
  rmSync(folder);
  renameSync(`${folder}.away`, folder);
  await expect(open()).resolves.toBeDefined();
  expect(isRewritten(await info())).toBe(true);
});

test('each node of a cluster rewrites its own', async () => {
  const cluster = await startRedisCluster('--appendonly', 'yes');
  const expectEachRewritten = async (): Promise<void> => {
    for (const node of cluster.nodes) {
      const client = new Redis(node.port);
      expect(isRewritten(infoOf(await client.info()))).toBe(true);
      client.disconnect();
    }
  };
  try {
    const url = cluster.nodes.map(({ address }) => address).join(',');
    const store = await openStore({ url, prefix: '' });
    stores.push(store);
    // A node is connected to when it is first used, so each one is written to before its file is
    // checked.
    await Promise.all(Array.from({ length: 40 }, (_, i) => store.redis.set(`key-${i}`, i)));
    await expectEachRewritten();
    for (const node of cluster.nodes) {
      await node.kill('SIGKILL');
      await node.restart();
    }
    await Promise.all(Array.from({ length: 40 }, (_, i) => store.redis.incr(`key-${i}`)));
    await expectEachRewritten();
  } finally {
    await stores.pop()?.close();
    await cluster.stop();
  }
});
