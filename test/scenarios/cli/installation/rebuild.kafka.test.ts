import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createWorkload } from '../../../../src/oracle/workload';
import { readCountingRecord } from '../../../../src/installation/recorded-settings';
import { openKafka } from '../../../../src/kafka/client';
import { createPublisher } from '../../../../src/kafka/producer';
import { usageTopics } from '../../../../src/kafka/topics/topics';
import { eventually } from '../../../kit/eventually';
import { publishNext } from '../../../kit/kafka/publish-next';
import { startRedisCluster } from '../../../kit/servers/redis-cluster';
import { testBrokers, testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const CLI = join(__dirname, '../../../../dist/src/cli/tallyman.js');
const redis = new Redis(testRedisUrl());
afterAll(() => redis.quit());

const PROJECTS = ['large', 'middle', 'small'];
const now = new Date();
const monthBack = (months: number): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
const [month, earlier] = [monthBack(1), monthBack(2)];

/**
 * How far views are shown, how often a shard was written, which rebuild filled it: not what is
 * counted.
 */
const BOOKKEEPING = /:shown:|(invoices-shown|ledger-ends)$|usage:(generation|evicted)$|}:writes$/;

/** Everything in Redis but the ids, which a rebuild keeps for the last two periods only. */
async function contents({ prefix }: Installation): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const key of (await redis.keys(`${prefix}:*`)).sort()) {
    if (key.includes('}:ids:') || key.endsWith('billing:verified') || BOOKKEEPING.test(key)) continue;
    const type = await redis.type(key);
    if (type === 'hash') found[key] = await redis.hgetall(key);
    else if (type === 'set') found[key] = (await redis.smembers(key)).sort();
    else found[key] = await redis.get(key);
  }
  return found;
}

async function empty({ prefix }: Installation): Promise<void> {
  const keys = await redis.keys(`${prefix}:*`);
  expect(keys.length).toBeGreaterThan(0);
  await redis.unlink(keys);
}

/** What an operator compares: every project's totals and invoices, by the script in deploy/. */
function snapshot({ env }: Installation, months: readonly string[]): string {
  return execFileSync(join(__dirname, '../../../../deploy/snapshot.sh'), months, {
    encoding: 'utf8',
    env: { ...env, TALLYMAN: `${process.execPath} ${CLI}` },
  });
}

/** Two closed months with late usage and repeats, and late usage in the open one. */
async function setUp(tallyman: Installation): Promise<void> {
  await tallyman.ok('init', '--partitions', '3');
  for (const project of PROJECTS)
    await tallyman.ok('projects', 'set', project, '--plan', 'ship', '--from', `${earlier}-01`);
  const workload = createWorkload({ seed: 5, month, events: 6_000, projects: PROJECTS, monthBefore: 0.05 });
  await publishNext(tallyman, workload, 2_000);
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', earlier, '--grace', '0s');
  await publishNext(tallyman, workload, 2_000); // Some of it late.
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', month, '--grace', '0s');
  await publishNext(tallyman, workload, 2_000); // All of it late.
  await tallyman.ok('consume', '--until-caught-up');
}

test('an emptied Redis is filled from Kafka and comes out equal', async () => {
  const tallyman = installation();
  await setUp(tallyman);
  const before = await contents(tallyman);
  const months = [earlier, month, monthBack(0)];
  const shown = snapshot(tallyman, months);
  for (const id of PROJECTS.map((project) => `${project}-${month}`)) expect(shown).toContain(`"id": "${id}"`);

  await empty(tallyman);
  const consuming = await tallyman.run(['consume', '--until-caught-up']);
  expect(consuming.code).toBe(1);
  expect(consuming.stderr).toContain('REDIS_EMPTIED');
  expect(await tallyman.run(['init', '--partitions', '3'])).toMatchObject({ code: 3 });

  const rebuilt = { projects: 3, closes: 2, invoices: 6, monthsBeyondLog: [] };
  expect(await tallyman.json('rebuild')).toEqual(rebuilt);
  expect(await contents(tallyman)).toEqual(before);
  expect(snapshot(tallyman, months)).toBe(shown);
  await tallyman.ok('rebuild'); // Again, on a Redis that lost nothing.
  expect(await contents(tallyman)).toEqual(before);

  // Closed months leave Redis, and nobody who reads them sees a difference.
  const early = installation({ TALLYMAN_PREFIX: tallyman.prefix, TALLYMAN_KEEP_CLOSED: '1s' });
  const explained = await tallyman.run(['explain', `large-${month}`, '--json']);
  expect((await early.run(['close', '--dry-run'])).stdout).toContain(`${earlier} would leave Redis`);
  expect(await contents(tallyman)).toEqual(before);
  const left = [earlier, month].map((one) => ({ month: one, projects: 3 }));
  expect(await early.json('close')).toEqual({ closes: [], left });
  const remaining = await contents(tallyman);
  expect(Object.keys(remaining).filter((key) => /:(totals|daily|projects):20/.test(key))).toEqual(
    Object.keys(before).filter(
      (key) => /:(totals|daily|projects):20/.test(key) && key.includes(monthBack(0)),
    ),
  );
  expect(snapshot(tallyman, months)).toBe(shown);
  expect(await tallyman.run(['explain', `large-${month}`, '--json'])).toEqual(explained);
  const keys = await tallyman.run(['keys', 'large', '--month', month]);
  expect(keys.stderr + keys.stdout).toContain(`${month} has left Redis`);
  expect(await tallyman.run(['verify'])).toMatchObject({ code: 0 });
  await empty(tallyman);
  expect(await early.json('rebuild')).toEqual(rebuilt);
  expect(await contents(tallyman)).toEqual(remaining);
  expect(snapshot(tallyman, months)).toBe(shown);

  // Where the ledger holds the month is lost, while voids in the log need it.
  const problems = async (): Promise<string> => (await tallyman.run(['doctor'])).stdout;
  expect(await problems()).not.toContain(`${month} of shard`);
  const leftKeys = [0, 1, 2].map((shard) => `${tallyman.prefix}:usage:{${shard}}:left`);
  for (const key of leftKeys) expect(await redis.hdel(key, month)).toBe(1);
  expect(await problems()).toContain(`${month} of shard`);
  const voiding = createWorkload({ seed: 6, month, events: 60, projects: PROJECTS, voids: 0.5 });
  await publishNext(tallyman, voiding, 60);
  const stopped = await tallyman.run(['consume', '--until-caught-up']);
  expect(stopped.code).toBe(1);
  expect(stopped.stderr).toContain('LEDGER_MOVED');
  await tallyman.ok('rebuild');
  for (const key of leftKeys) expect(await redis.hgetall(key)).toEqual(remaining[key]);
  expect(await tallyman.run(['verify'])).toMatchObject({ code: 0 });
}, 300_000);

describe('rebuild --empty', () => {
  test('deletes and refills a damaged Redis, and leaves other installations alone', async () => {
    const tallyman = installation();
    const neighbour = installation({ TALLYMAN_PREFIX: `${tallyman.prefix}-2` });
    await setUp(tallyman);
    await neighbour.ok('init', '--partitions', '3');
    const [before, others] = [await contents(tallyman), await contents(neighbour)];
    const consumer = tallyman.start('consume');
    const gone = once(consumer, 'close');
    await eventually(
      async () => !(await tallyman.run(['doctor'])).stdout.includes('no consumer is running'),
      { timeoutMs: 60_000 },
    );
    const refused = await tallyman.run(['rebuild', '--empty']);
    consumer.kill('SIGTERM');
    await gone;
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).toContain('CONSUMERS_RUNNING');
    expect(await contents(tallyman)).toEqual(before);

    await redis.hset(`${tallyman.prefix}:usage:{1}:writes`, 'begun', '999999');
    await redis.set(`${tallyman.prefix}:usage:{1}:ids:left-over`, 'x');
    await redis.hset(`${tallyman.prefix}:usage:{9}:totals:${month}:acme`, 'session.webrtc', '60');
    expect((await tallyman.run(['doctor'])).stdout).toContain('tallyman rebuild --empty');
    expect(await tallyman.json('rebuild', '--empty')).toMatchObject({ projects: 3, closes: 2, invoices: 6 });
    expect(await contents(tallyman)).toEqual(before);
    expect(await redis.keys(`${tallyman.prefix}:*left-over*`)).toEqual([]);
    expect(await contents(neighbour)).toEqual(others);
    const { findings } = await tallyman.json<{ findings: { level: string }[] }>('doctor');
    expect(findings.filter(({ level }) => level === 'error')).toEqual([]);
  }, 300_000);

  test('a rebuild after one that was killed while it emptied Redis empties it to the end', async () => {
    const tallyman = installation();
    await setUp(tallyman);
    const before = await contents(tallyman);
    const marks = ['', '{0}:', '{1}:', '{2}:'].map((shard) => `${tallyman.prefix}:usage:${shard}rebuilding`);
    for (const mark of marks) await redis.set(mark, 'emptying');
    await redis.unlink(`${tallyman.prefix}:usage:{0}:cursor`);
    await redis.unlink(await redis.keys(`${tallyman.prefix}:usage:{*}:totals:*`));

    const totals = await tallyman.run(['totals', 'large']);
    expect(totals.stderr).toContain('REBUILD_UNFINISHED');
    await tallyman.ok('rebuild');
    expect(await contents(tallyman)).toEqual(before);
  }, 300_000);
});

test('rebuild --empty on a cluster empties every node, and what it refills is right', async () => {
  const cluster = await startRedisCluster('--appendonly', 'yes');
  const nodes = cluster.nodes.map(({ port }) => new Redis(port));
  try {
    const REDIS_URL = `redis+cluster://${cluster.nodes.map(({ address }) => address).join(',')}`;
    const tallyman = installation({ REDIS_URL });
    await setUp(tallyman);
    const before = snapshot(tallyman, [earlier, month]);
    for (const [i, node] of nodes.entries()) {
      const totals = await node.keys(`${tallyman.prefix}:usage:{*}:totals:${month}:*`);
      expect({ i, found: totals.length > 0 }).toEqual({ i, found: true });
      for (const key of totals) await node.hincrby(key, 'session.webrtc', 60);
    }
    expect((await tallyman.run(['verify', month])).code).toBe(1);
    await tallyman.ok('rebuild', '--empty');
    expect(snapshot(tallyman, [earlier, month])).toBe(before);
    expect(await tallyman.run(['verify'])).toMatchObject({ code: 0 });
  } finally {
    nodes.forEach((node) => node.disconnect());
    await cluster.stop();
  }
}, 300_000);

test('killed at any point it goes on, and until it has ended nobody counts or closes', async () => {
  const tallyman = installation();
  await setUp(tallyman);
  const before = await contents(tallyman);
  await empty(tallyman);

  const rebuilding = (): Promise<number> => redis.exists(`${tallyman.prefix}:usage:rebuilding`);
  const cursors = async (): Promise<number> => {
    const keys = await redis.keys(`${tallyman.prefix}:usage:{*}:cursor`);
    const all = await Promise.all(keys.map((key) => redis.hvals(key)));
    return all.flat().reduce((sum, offset) => sum + Number(offset), 0);
  };
  const totals = async (): Promise<number> =>
    (await redis.keys(`${tallyman.prefix}:usage:{*}:totals:*`)).length;
  const killedWhen: (() => Promise<boolean>)[] = [
    async () => (await rebuilding()) === 1,
    async () => (await redis.exists(`${tallyman.prefix}:billing:invoices:small`)) === 1,
    async () => (await redis.keys(`${tallyman.prefix}:usage:{*}:cursor`)).length > 0,
    async () => (await cursors()) > 1_000,
    async () => (await cursors()) > 3_000,
    async () => (await cursors()) === 6_000 && (await totals()) === 0,
  ];
  for (const [round, reached] of killedWhen.entries()) {
    const run = tallyman.start('rebuild');
    const gone = once(run, 'close');
    await eventually(async () => run.exitCode !== null || (await reached()), {
      timeoutMs: 60_000,
    });
    run.kill('SIGKILL');
    await gone;
    if (round > 0) continue;
    expect(await rebuilding()).toBe(1);
    const closing = await tallyman.run(['close', month, '--grace', '0s']);
    expect(closing).toMatchObject({ code: 1, stdout: '' });
    expect(closing.stderr).toContain('REBUILD_UNFINISHED');
    expect((await tallyman.run(['consume', '--until-caught-up'])).stderr).toContain('REBUILD_UNFINISHED');
  }
  await tallyman.ok('rebuild');
  expect(await contents(tallyman)).toEqual(before);
}, 300_000);

test('where retention removed closed months, their totals are those of their close; the open month must be whole', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
  await tallyman.ok('projects', 'set', 'large', '--plan', 'ship', '--from', `${monthBack(4)}-01`);
  const frozenAt = new Map<number, Record<string, Record<string, number>>>();
  for (const back of [4, 3, 2, 1]) {
    const workload = createWorkload({
      seed: back,
      month: monthBack(back),
      events: 1_500,
      projects: PROJECTS,
      monthBefore: back === 4 ? 0 : 0.05,
    });
    await publishNext(tallyman, workload, 1_500);
    await tallyman.ok('consume', '--until-caught-up');
    await tallyman.ok(
      'close',
      monthBack(back),
      '--grace',
      '0s',
      '--now',
      `${monthBack(back - 1)}-01T02:00:00Z`,
    );
    const record = await redis.hget(`${tallyman.prefix}:billing:closes`, monthBack(back));
    frozenAt.set(back, (JSON.parse(record!) as { cursors: Record<string, Record<string, number>> }).cursors);
  }
  // Late usage of a month that is beyond the log: its price depends on that month's totals.
  const late = createWorkload({ seed: 9, month: monthBack(3), events: 500, projects: PROJECTS });
  await publishNext(tallyman, late, 500);
  await tallyman.ok('consume', '--until-caught-up');
  const before = await contents(tallyman);
  const preview = await tallyman.ok('invoices', 'preview', 'large', '--json');

  const deleteBefore = async (back: number): Promise<void> => {
    const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
    const admin = await client.admin();
    for (const topic of usageTopics(tallyman.prefix)) {
      const partitions = Object.entries(frozenAt.get(back)!).map(([shard, cursors]) => ({
        partition: Number(shard),
        offset: String(cursors[topic]),
      }));
      await admin.fetchTopicOffsets(topic); // kafkajs must know the topic first.
      await admin.deleteTopicRecords({ topic, partitions });
    }
    await client.close();
  };
  await deleteBefore(3);
  const verdicts = await tallyman.json<{ months: { month: string; result: string }[] }>('verify');
  expect(verdicts.months.map(({ result }) => result)).toEqual([
    ...Array<string>(4).fill('not_judged'),
    'equal',
  ]);
  expect((await tallyman.run(['verify', monthBack(3)])).code).toBe(3);

  await empty(tallyman);
  expect(await tallyman.json('rebuild')).toMatchObject({
    closes: 4,
    monthsBeyondLog: [4, 3, 2, 1].map(monthBack),
  });
  expect(await contents(tallyman)).toEqual(before);
  const withoutDate = (json: string): string => json.replace(/"issuedAt": "[^"]*"/g, '');
  const previewed = await tallyman.ok('invoices', 'preview', 'large', '--json');
  expect(withoutDate(previewed)).toBe(withoutDate(preview));

  await deleteBefore(2);
  await empty(tallyman);
  const refused = await tallyman.run(['rebuild']);
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain('LOG_TOO_SHORT');
  expect(await redis.keys(`${tallyman.prefix}:*`)).toEqual([]);
}, 300_000);

test('what lay before the first cursor is not counted by a rebuild or a recount', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '1', '--from', 'earliest');
  const workload = createWorkload({ seed: 3, month, events: 600, projects: PROJECTS });
  await publishNext(tallyman, workload, 300);
  const other = installation({ TALLYMAN_PREFIX: tallyman.prefix });
  await empty(tallyman); // A Redis of its own begins after what is there already.
  await withdrawBegins(tallyman);
  await other.ok('init', '--from', 'latest', '--partitions', '1');
  await publishNext(tallyman, workload, 300);
  await other.ok('consume', '--until-caught-up');
  const before = await contents(tallyman);
  expect((await other.run(['verify'])).code).toBe(0);
  await empty(tallyman);
  await other.ok('rebuild');
  expect(await contents(tallyman)).toEqual(before);
}, 300_000);

test('an environment that counts by other settings is refused', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '1');
  for (const verb of ['consume', 'rebuild', 'verify', 'close', 'init']) {
    const other = installation({ TALLYMAN_PREFIX: tallyman.prefix, TALLYMAN_ROUNDING: 'per-second' });
    const answer = await other.run([verb]);
    expect(answer).toMatchObject({ code: 3, stdout: '' });
    expect(answer.stderr).toMatch(/TALLYMAN_ROUNDING.*\[OTHER_SETTINGS\]/);
  }
  const same = installation({ TALLYMAN_PREFIX: tallyman.prefix, TALLYMAN_FUTURE_LIMIT: '60m' });
  await same.ok('consume', '--until-caught-up');
}, 300_000);

test('without recorded settings nothing counts, and init records others only when it is told to', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '1');
  await record(tallyman, 'settings', null);
  const other = installation({ TALLYMAN_PREFIX: tallyman.prefix, TALLYMAN_ROUNDING: 'per-second' });
  for (const words of [['consume'], ['rebuild'], ['verify'], ['close'], ['init'], ['init', '--dry-run']]) {
    const answer = await other.run(words);
    expect({ words, ...answer }).toMatchObject({ words, code: 3, stdout: '' });
    expect(answer.stderr).toContain('[SETTINGS_MISSING]');
  }
  const findings = await tallyman.run(['doctor', '--json']);
  expect(JSON.parse(findings.stdout)).toMatchObject({
    findings: expect.arrayContaining([
      expect.objectContaining({ level: 'error', subject: 'settings' }),
    ]) as unknown,
  });
  await tallyman.ok('init', '--record-settings');
  await tallyman.ok('consume', '--until-caught-up');
  expect((await other.run(['consume', '--until-caught-up'])).stderr).toContain('[OTHER_SETTINGS]');

  // A ledger that names other shards than Redis has is damaged.
  await tallyman.ok('grow', '--partitions', '2', '--dry-run');
  await record(tallyman, 'layout', '{"shards":2,"partitions":2}');
  expect((await tallyman.run(['grow', '--partitions', '4'])).stderr).toContain('[SHARDS_STALE]');

  // As a close noted where the settings end.
  const ends = `${tallyman.prefix}:billing:ledger-ends`;
  await redis.hset(ends, 'billing.settings', '4 another-id seen @0');
  const replaced = async (): Promise<boolean> => {
    const { findings } = JSON.parse((await tallyman.run(['doctor', '--json'])).stdout) as {
      findings: { code?: string }[];
    };
    return findings.some(({ code }) => code === 'TOPIC_REPLACED');
  };
  expect(await replaced()).toBe(true);
  await deleteTopic(`${tallyman.prefix}.billing.settings`);
  const answer = await other.run(['init']);
  expect(answer).toMatchObject({ code: 1, stdout: '' });
  expect(answer.stderr).toContain('[TOPICS_MISSING]');
  expect(await tallyman.ok('init', '--record-settings')).toContain('billing.settings');
  // All cursors exist, so no record of where counting began shows the number of shards.
  expect(await recordedLayout(tallyman)).toEqual({ shards: 1, partitions: 1 });
  expect(await replaced()).toBe(false);
  await tallyman.ok('consume', '--until-caught-up');
}, 300_000);

/** As if `init` had never been run: a record without a value withdraws its key. */
const withdrawBegins = (tallyman: Installation): Promise<void> => record(tallyman, 'begin/0', null);

async function deleteTopic(topic: string): Promise<void> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  await (await client.admin()).deleteTopics({ topics: [topic] });
  await client.close();
}

async function recordedLayout({ prefix }: Installation): Promise<unknown> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const { layout } = await readCountingRecord(client, prefix);
  await client.close();
  return layout;
}

async function record({ prefix }: Installation, key: string, value: string | null): Promise<void> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  await publisher.publish(`${prefix}.billing.settings`, [{ key, value }]);
  await publisher.close();
  await client.close();
}
