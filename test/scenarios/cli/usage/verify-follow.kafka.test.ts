import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createWorkload } from '../../../../src/oracle/workload';
import type { Difference } from '../../../../src/audit/compare/difference';
import { openKafka } from '../../../../src/kafka/client';
import { createPublisher } from '../../../../src/kafka/producer';
import { eventually } from '../../../kit/eventually';
import { publishNext } from '../../../kit/kafka/publish-next';
import { testBrokers, testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const redis = new Redis(testRedisUrl());
const state = mkdtempSync(join(tmpdir(), 'tallyman-follow-'));
afterAll(async () => {
  rmSync(state, { recursive: true, force: true });
  await redis.quit();
});

const PROJECTS = ['large', 'middle', 'small'];
const SHARDS = [0, 1, 2];
const now = new Date();
const monthBack = (months: number): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
const [month, earlier] = [monthBack(1), monthBack(2)];

let tallyman: Installation;
let shard: number;
const key = (name: string): string => `${tallyman.prefix}:usage:{${shard}}:${name}`;
const workload = createWorkload({
  ...{ seed: 11, month, events: 4_000, projects: PROJECTS },
  ...{ monthBefore: 0.05, duplicates: 0.05, malformed: 0.01 },
});

beforeAll(async () => {
  tallyman = installation();
  await tallyman.ok('init', '--partitions', '3');
  for (const project of PROJECTS)
    await tallyman.ok('projects', 'set', project, '--plan', 'ship', '--from', `${earlier}-01`);
  await publishNext(tallyman, workload, 2_000);
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', earlier, '--grace', '0s');
  await publishNext(tallyman, workload, 1_000);
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', month, '--grace', '0s');
  await publishNext(tallyman, workload, 500); // All of it late.
  await tallyman.ok('consume', '--until-caught-up');
  const holds = await Promise.all(
    SHARDS.map((n) => redis.exists(`${tallyman.prefix}:usage:{${n}}:totals:${month}:large`)),
  );
  shard = holds.indexOf(1);
}, 120_000);

async function follow(of = tallyman): Promise<{ code: number | null; differences: Difference[] }> {
  const { code, stdout, stderr } = await of.run([
    'verify',
    '--follow',
    '--once',
    '--state',
    join(state, of.prefix),
    '--json',
  ]);
  if (stdout === '') throw new Error(`verify --follow ended with ${code}: ${stderr}`);
  return { code, differences: (JSON.parse(stdout) as { differences: Difference[] }).differences };
}

test('equal: exit 0; and again, from where it stood', async () => {
  expect(await follow()).toEqual({ code: 0, differences: [] });
  await publishNext(tallyman, workload, 500);
  await tallyman.ok('consume', '--until-caught-up');
  expect(await follow()).toEqual({ code: 0, differences: [] });
});

type Expected = Partial<Record<keyof Difference, unknown>>;

/** Each makes what a fault leaves behind, and returns what repairs it. */
const FAULTS: readonly [
  name: string,
  make: () => Promise<() => Promise<unknown>>,
  expected: () => Expected,
][] = [
  [
    'a total that was counted twice',
    async () => {
      const total = (await redis.hget(key(`totals:${month}:large`), 'session.webrtc'))!;
      await redis.hincrby(key(`totals:${month}:large`), 'session.webrtc', total);
      return () => redis.hset(key(`totals:${month}:large`), 'session.webrtc', total);
    },
    () => ({ kind: 'total', month, project: 'large', field: 'session.webrtc', shard }),
  ],
  [
    'a chunk that was counted twice, in totals and days alike',
    async () => {
      const [field] = Object.keys(await redis.hgetall(key(`daily:${month}:large`)));
      const meter = field!.slice(11);
      await redis.hincrby(key(`totals:${month}:large`), meter, 60);
      await redis.hincrby(key(`daily:${month}:large`), field!, 60);
      return async () => {
        await redis.hincrby(key(`totals:${month}:large`), meter, -60);
        await redis.hincrby(key(`daily:${month}:large`), field!, -60);
      };
    },
    () => ({ kind: 'daily', month, project: 'large' }),
  ],
  [
    'a total that is not an integer',
    async () => {
      const total = (await redis.hget(key(`totals:${month}:large`), 'session.webrtc'))!;
      await redis.hset(key(`totals:${month}:large`), 'session.webrtc', `${total}.5`);
      return () => redis.hset(key(`totals:${month}:large`), 'session.webrtc', total);
    },
    () => ({ kind: 'damaged', month, project: 'large', field: 'session.webrtc', shard }),
  ],
  [
    'totals that are gone',
    async () => {
      const held = await redis.hgetall(key(`totals:${earlier}:large`));
      await redis.del(key(`totals:${earlier}:large`));
      return () => redis.hset(key(`totals:${earlier}:large`), held);
    },
    () => ({ kind: 'total', month: earlier, project: 'large', found: null }),
  ],
  [
    'late usage of a closed month that is gone',
    async () => {
      const totals = await redis.hgetall(key(`totals:${monthBack(0)}:large`));
      const field = Object.keys(totals).find((name) => name.includes('@'))!;
      await redis.hdel(key(`totals:${monthBack(0)}:large`), field);
      return () => redis.hset(key(`totals:${monthBack(0)}:large`), field, totals[field]!);
    },
    () => ({ kind: 'total', month: monthBack(0), project: 'large', found: null }),
  ],
  [
    "a project that a month's set lost",
    async () => {
      await redis.srem(key(`projects:${month}`), 'large');
      return () => redis.sadd(key(`projects:${month}`), 'large');
    },
    () => ({ kind: 'not_listed', month, project: 'large' }),
  ],
  [
    'usage of nobody, in no set',
    async () => {
      await redis.hset(key(`totals:${month}:ghost`), 'session.webrtc', '60');
      return () => redis.del(key(`totals:${month}:ghost`));
    },
    () => ({ kind: 'total', month, project: 'ghost', expected: null, found: '60' }),
  ],
  [
    'a cursor that is gone',
    async () => {
      const topic = `${tallyman.prefix}.usage.session`;
      const cursor = (await redis.hget(key('cursor'), topic))!;
      await redis.hdel(key('cursor'), topic);
      return () => redis.hset(key('cursor'), topic, cursor);
    },
    () => ({ kind: 'cursor', shard, field: `${tallyman.prefix}.usage.session`, found: null }),
  ],
  [
    'a cursor behind the end of the log',
    async () => {
      const topic = `${tallyman.prefix}.usage.agent`;
      const cursor = (await redis.hget(key('cursor'), topic))!;
      await redis.hincrby(key('cursor'), topic, 1_000_000);
      return () => redis.hset(key('cursor'), topic, cursor);
    },
    () => ({ kind: 'cursor', shard, field: `${tallyman.prefix}.usage.agent` }),
  ],
  [
    'a number of shards that is old',
    async () => {
      await redis.set(`${tallyman.prefix}:usage:shards`, '2');
      return () => redis.set(`${tallyman.prefix}:usage:shards`, '3');
    },
    () => ({ kind: 'shards', expected: '3', found: '2' }),
  ],
  [
    'a freeze that is gone',
    async () => {
      const frozen = (await redis.hget(key('closed'), month))!;
      await redis.hdel(key('closed'), month);
      return () => redis.hset(key('closed'), month, frozen);
    },
    () => ({ kind: 'freeze', month, shard, found: null }),
  ],
  [
    'a plan that Redis lost',
    async () => {
      const projects = `${tallyman.prefix}:billing:projects`;
      const document = (await redis.hget(projects, 'small'))!;
      await redis.hdel(projects, 'small');
      return () => redis.hset(projects, 'small', document);
    },
    () => ({ kind: 'view', project: 'small', found: null }),
  ],
  [
    'a close that only Redis knows',
    async () => {
      const closes = `${tallyman.prefix}:billing:closes`;
      await redis.hset(closes, '2020-01', '{}');
      return () => redis.hdel(closes, '2020-01');
    },
    () => ({ kind: 'view', month: '2020-01', expected: null }),
  ],
];

test.each(FAULTS)('%s', async (_name, make, expected) => {
  const repair = await make();
  try {
    const { code, differences } = await follow();
    expect(differences).toContainEqual(expect.objectContaining(expected()));
    expect(code).toBe(1);
  } finally {
    await repair();
  }
});

test('all is equal again once it is repaired', async () => {
  expect(await follow()).toEqual({ code: 0, differences: [] });
});

test('beside busy consumers it finds nothing; killed and started again it counts each event once; then it finds an edited day', async () => {
  const events = createWorkload({ seed: 12, month, events: 20_000, projects: PROJECTS, duplicates: 0.05 });
  const env = { TALLYMAN_PREFIX: tallyman.prefix, TALLYMAN_HEALTH_PORT: '0', LOG_LEVEL: 'info' };
  const beside = installation(env);
  const consumers = tallyman.start('consume');
  const consumersGone = once(consumers, 'close');
  const own = mkdtempSync(join(tmpdir(), 'tallyman-follow-'));
  const start = async () => {
    const child = beside.start('verify', '--follow', '--state', own);
    const gone = once(child, 'close') as Promise<[number | null]>;
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const port = await eventually(() => {
      const found = /"port":(\d+)/.exec(output)?.[1];
      if (found === undefined) throw new Error(`no port yet: ${output}`);
      return Promise.resolve(found);
    });
    const ask = async (path: string) => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    return { child, gone, ask, output: () => output };
  };
  try {
    let follower = await start();
    for (let batch = 0; batch < 10; batch += 1) {
      await publishNext(tallyman, events, 2_000);
      if (batch % 4 !== 3) continue;
      follower.child.kill('SIGKILL');
      await follower.gone;
      expect(follower.output()).not.toContain('DIFFERENCE');
      follower = await start();
    }
    await tallyman.ok('consume', '--until-caught-up');
    await eventually(async () => (JSON.parse(await follower.ask('/readyz')) as { ready: boolean }).ready, {
      timeoutMs: 60_000,
    });
    expect(follower.output()).not.toContain('DIFFERENCE');

    const places = SHARDS.map((n) => `${tallyman.prefix}:usage:{${n}}:daily:${month}:middle`);
    const held = (await Promise.all(places.map((place) => redis.exists(place)))).indexOf(1);
    const [edited] = Object.keys(await redis.hgetall(places[held]!));
    await redis.hincrby(places[held]!, edited!, 1);
    await eventually(
      async () => (await follower.ask('/metrics')).includes('tallyman_follow_differences{kind="daily"} 1\n'),
      { timeoutMs: 60_000 },
    );
    expect(JSON.parse(await follower.ask('/readyz'))).toMatchObject({
      ready: false,
      problems: [{ code: 'DIFFERENCE', subject: 'Redis' }],
      differences: [{ project: 'middle' }],
    });
    expect(follower.output()).toContain('DIFFERENCE');
    follower.child.kill('SIGTERM');
    expect((await follower.gone)[0]).toBe(1);
    await redis.hincrby(places[held]!, edited!, -1);
  } finally {
    consumers.kill('SIGTERM');
    await consumersGone;
    rmSync(own, { recursive: true, force: true });
  }
}, 180_000);

test('two invoices under one number', async () => {
  // The ledger keeps the second one for good, so the other tests' installation stays without it.
  const own = installation();
  await own.ok('init', '--partitions', '1');
  await own.ok('projects', 'set', 'large', '--plan', 'ship', '--from', `${month}-01`);
  await own.ok('close', month, '--grace', '0s');
  expect(await follow(own)).toEqual({ code: 0, differences: [] });
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  const issued = (await redis.hget(`${own.prefix}:billing:invoices:large`, month))!;
  const doubled = { ...(JSON.parse(issued) as object), id: `large-${monthBack(3)}`, month: monthBack(3) };
  await publisher.publish(`${own.prefix}.billing.invoices`, [
    { key: doubled.id, value: JSON.stringify(doubled) },
  ]);
  await publisher.close();
  await client.close();
  const { code, differences } = await follow(own);
  expect(differences).toContainEqual(
    expect.objectContaining({ kind: 'number', project: 'large', field: 'number' }),
  );
  expect(code).toBe(1);
}, 60_000);
