import { mkdirSync, readdirSync, rmdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { startNativeRedis } from '../../../../src/dev/services/native-redis';
import type { NativeService } from '../../../../src/dev/services/service';
import { eventually } from '../../../kit/eventually';
import { installation, type Installation } from '../../../kit/tallyman';

const now = new Date();
const lastMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1))
  .toISOString()
  .slice(0, 7);
const CLOSE = ['close', lastMonth, '--grace', '0s'];
const PROJECTS = ['acme', 'globex'];

let own: NativeService;
let redis: Redis;
let tallyman: Installation;
beforeEach(async () => {
  own = await startNativeRedis((line) => process.stderr.write(`${line}\n`));
  redis = new Redis(own.port);
  redis.on('error', () => undefined);
  tallyman = installation({ REDIS_URL: `redis://127.0.0.1:${own.port}` });
  await tallyman.ok('init', '--partitions', '1');
  for (const project of PROJECTS)
    await tallyman.ok('projects', 'set', project, '--plan', 'ship', '--from', `${lastMonth}-01`);
  const events = PROJECTS.flatMap((project) =>
    [1, 2, 3].map((id) =>
      JSON.stringify({
        ...{ specversion: '1.0', id: String(id), source: '/agents', type: 'usage.agent.v1' },
        ...{ subject: project, time: `${lastMonth}-10T10:00:00Z`, data: { durationMs: 60_000 } },
      }),
    ),
  );
  const published = await tallyman.run(['publish', '-'], events.join('\n'));
  expect(published).toMatchObject({ code: 0 });
  await tallyman.ok('consume', '--until-caught-up');
});
afterEach(async () => {
  redis.disconnect();
  await own.stop();
});

interface Finding {
  readonly level: string;
  readonly code?: string;
}
async function errors(): Promise<Finding[]> {
  const { stdout, stderr } = await tallyman.run(['doctor', '--json']);
  if (stdout === '') throw new Error(stderr);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return findings.filter(({ level }) => level === 'error');
}

async function differences(): Promise<unknown[]> {
  const { code, stdout } = await tallyman.run(['verify', '--json']);
  expect(code).toBe(1);
  return (JSON.parse(stdout) as { differences: unknown[] }).differences;
}

/** What every verb says on stderr when it cannot go on: one line, and no stack. */
async function expectOneLine(words: string[], expected: { code: number; says: string }): Promise<void> {
  const { code, stderr } = await tallyman.run(words);
  const lines = stderr.split('\n').filter((line) => line.startsWith('tallyman'));
  expect({ words, code, lines }).toEqual({
    words,
    code: expected.code,
    lines: [expect.stringContaining(`[${expected.says}]`)],
  });
  expect(stderr).not.toMatch(/^\s+at /m);
}

async function expectRemedyWorks(): Promise<void> {
  await redis.flushall();
  await tallyman.ok('rebuild');
  expect(await errors()).toEqual([]);
  await tallyman.ok(...CLOSE);
  expect(await tallyman.json('totals', 'globex', '--month', lastMonth)).toMatchObject({
    totals: { 'agent.session': '180' },
  });
  expect(await tallyman.json('invoices', 'show', `globex-${lastMonth}`)).toMatchObject({
    total: '50.00',
  });
  expect(await tallyman.run(['verify', lastMonth])).toMatchObject({ code: 0 });
}

test('evicted keys stop a close, also when the policy is right again, until a rebuild', async () => {
  await redis.config('SET', 'maxmemory-policy', 'allkeys-random');
  await expectOneLine(CLOSE, { code: 1, says: 'REDIS_MAY_EVICT' });
  await redis.config('SET', 'maxmemory', '1mb');
  await redis.set('large', 'x'.repeat(200_000)).catch(() => undefined);
  await redis.set('large', 'x').catch(() => undefined);
  await redis.config('SET', 'maxmemory', '0');
  await redis.config('SET', 'maxmemory-policy', 'noeviction');
  expect(Number(/evicted_keys:(\d+)/.exec(await redis.info())?.[1])).toBeGreaterThan(0);
  expect(await errors()).toMatchObject([{ code: 'REDIS_EVICTED' }]);
  await expectOneLine(CLOSE, { code: 1, says: 'REDIS_EVICTED' });
  expect((await tallyman.run(['verify'])).code).toBe(1);
  await expectRemedyWorks();
});

test('an emptied Redis is one finding, with one remedy, from every verb', async () => {
  await redis.flushall();
  expect(await errors()).toMatchObject([{ code: 'REDIS_EMPTIED', remedy: 'tallyman rebuild' }]);
  for (const words of [
    ['consume', '--until-caught-up'],
    CLOSE,
    ['totals', 'acme'],
    ['verify', lastMonth],
    ['invoices', 'preview', 'acme'],
  ]) {
    await expectOneLine(words, { code: 1, says: 'REDIS_EMPTIED' });
  }
  await expectOneLine(['init', '--partitions', '1'], { code: 3, says: 'REDIS_EMPTIED' });
  await expectRemedyWorks();
});

test('a torn shard stops a close, and a rebuild repairs it', async () => {
  await redis.hincrby(`${tallyman.prefix}:usage:{0}:writes`, 'begun', 1);
  expect(await errors()).toMatchObject([{ code: 'SHARD_TORN' }]);
  await expectOneLine(CLOSE, { code: 1, says: 'SHARD_TORN' });
  expect(await differences()).toMatchObject([{ kind: 'torn', shard: 0 }]);
  await expectRemedyWorks();
});

test('a project whose days differ from its totals is held, the others are issued, and a rebuild repairs it', async () => {
  const totals = `${tallyman.prefix}:usage:{0}:totals:${lastMonth}:globex`;
  await redis.hincrby(totals, 'agent.session', 600_000);
  const { code, stdout } = await tallyman.run([...CLOSE, '--json']);
  expect(code).toBe(1);
  const { closes } = JSON.parse(stdout) as { closes: { issued: number; held: unknown[] }[] };
  expect(closes).toMatchObject([
    {
      issued: 1,
      held: [{ project: 'globex', code: 'DAYS_DIFFER', remedy: expect.stringContaining('tallyman rebuild') }],
    },
  ]);
  await expectRemedyWorks();
  // The totals that were published at last are the right ones.
  await redis.flushall();
  await tallyman.ok('rebuild');
  expect(await redis.hget(totals, 'agent.session')).toBe('180');
});

test.each<[string, readonly string[], (totals: string) => Promise<unknown>]>([
  ['a total that is not an integer', [], (totals) => redis.hset(totals, 'agent.session', '180.5')],
  ['a field that nobody counts', ['--verify'], (totals) => redis.hset(totals, 'note', 'refunded')],
  [
    'a key of another type',
    ['--verify'],
    async (totals) => {
      await redis.del(totals);
      await redis.set(totals, '180');
    },
  ],
])('%s holds its project, the others are issued, and a rebuild repairs it', async (_, flags, spoil) => {
  await spoil(`${tallyman.prefix}:usage:{0}:totals:${lastMonth}:globex`);
  expect(await differences()).toContainEqual(
    expect.objectContaining({ kind: 'damaged', project: 'globex', expected: 'an integer' }),
  );
  const { code, stdout } = await tallyman.run([...CLOSE, ...flags, '--json']);
  expect(code).toBe(1);
  const { closes } = JSON.parse(stdout) as { closes: unknown[] };
  const codes = flags.includes('--verify') ? ['UNREADABLE', 'RECOUNT_DIFFERS'] : ['UNREADABLE'];
  expect(closes).toMatchObject([{ issued: 1, held: codes.map((code) => ({ project: 'globex', code })) }]);
  await expectRemedyWorks();
});

test('a project that the set of its month lacks is held, the others are issued, and a rebuild repairs it', async () => {
  await redis.srem(`${tallyman.prefix}:usage:{0}:projects:${lastMonth}`, 'globex');
  const { code, stdout } = await tallyman.run([...CLOSE, '--json']);
  expect(code).toBe(1);
  const { closes } = JSON.parse(stdout) as { closes: unknown[] };
  expect(closes).toMatchObject([{ issued: 1, held: [{ project: 'globex', code: 'PROJECT_UNLISTED' }] }]);
  await expectRemedyWorks();
});

test('a month is due although no project of it is listed any more', async () => {
  await redis.del(`${tallyman.prefix}:usage:{0}:projects:${lastMonth}`);
  const { code, stdout } = await tallyman.run(['close', '--grace', '0s', '--json']);
  expect(code).toBe(1);
  const held = PROJECTS.map((project) => ({ project, code: 'PROJECT_UNLISTED' }));
  expect(JSON.parse(stdout)).toMatchObject({ closes: [{ month: lastMonth, issued: 0, held }] });
  await expectRemedyWorks();
});

describe('a Redis that refuses', () => {
  const CHANGE = ['projects', 'set', 'acme', '--plan', 'scale'];

  test.each<[string, string, () => Promise<unknown>, () => Promise<unknown>]>([
    [
      'OOM',
      'REDIS_OUT_OF_MEMORY',
      () => redis.config('SET', 'maxmemory', '1'),
      () => redis.config('SET', 'maxmemory', '0'),
    ],
    [
      'READONLY',
      'REDIS_READ_ONLY',
      () => redis.replicaof('127.0.0.1', 1),
      () => redis.call('REPLICAOF', 'NO', 'ONE'),
    ],
    [
      'MISCONF',
      'REDIS_CANNOT_PERSIST',
      async () => {
        // A snapshot that cannot be written: a folder has its name.
        mkdirSync(join(own.dataDir, 'dump.rdb'));
        await redis.config('SET', 'save', '3600 1');
        await redis.bgsave();
        await eventually(async () => (await redis.info()).includes('rdb_last_bgsave_status:err'));
      },
      async () => {
        rmdirSync(join(own.dataDir, 'dump.rdb'));
        await redis.config('SET', 'save', '');
      },
    ],
  ])('with %s ends each verb with a code and one line', async (_, says, spoil, repair) => {
    await spoil();
    await expectOneLine(CLOSE, { code: 1, says });
    // The ledger took it, and no repeat is needed: that is what the user must know first.
    await expectOneLine(CHANGE, { code: 1, says: 'CHANGE_NOT_SHOWN' });
    await errors(); // Doctor gets in.
    await repair();
    await tallyman.ok(...CLOSE);
  });

  test('because its append-only file is on a full disk, it is named by doctor', async () => {
    const folder = join(own.dataDir, 'appendonlydir');
    const numbers = readdirSync(folder).map((name) => Number(/\.(\d+)\.incr\.aof$/.exec(name)?.[1] ?? 0));
    symlinkSync('/dev/full', join(folder, `appendonly.aof.${Math.max(...numbers) + 1}.incr.aof`));
    await redis.bgrewriteaof();
    await redis.set('unwritten', '1').catch(() => undefined);
    await eventually(async () => (await redis.info()).includes('aof_last_write_status:err'));
    await expectOneLine(CLOSE, { code: 1, says: 'REDIS_CANNOT_PERSIST' });
    expect(await errors()).toContainEqual(expect.objectContaining({ code: 'REDIS_CANNOT_PERSIST' }));

    await eventually(async () => (await redis.info()).includes('aof_rewrite_in_progress:0'));
    await redis.bgrewriteaof();
    await eventually(async () => (await redis.info()).includes('aof_last_write_status:ok'));
    await tallyman.ok(...CLOSE);
  });

  test('with a wrong password, or not there at all', async () => {
    await redis.config('SET', 'requirepass', 'secret');
    for (const words of [CLOSE, ['totals', 'acme'], ['doctor']])
      await expectOneLine(words, { code: 1, says: 'REDIS_ACCESS' });
    await redis.config('SET', 'requirepass', '');
    await own.kill('SIGKILL');
    for (const words of [CLOSE, ['totals', 'acme'], ['doctor']])
      await expectOneLine(words, { code: 1, says: 'REDIS_UNAVAILABLE' });
    await own.restart();
  });
});
