import { Redis } from 'ioredis';
import { createWorkload } from '../../../../src/oracle/workload';
import type { Difference } from '../../../../src/audit/compare/difference';
import type { VerifyReport } from '../../../../src/audit/verify';
import { openKafka } from '../../../../src/kafka/client';
import { createPublisher, type PublishRecord } from '../../../../src/kafka/producer';
import { publishNext } from '../../../kit/kafka/publish-next';
import { testBrokers, testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const redis = new Redis(testRedisUrl());
afterAll(() => redis.quit());

const PROJECTS = ['large', 'middle', 'small'];
const now = new Date();
const monthBack = (months: number): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
const [month, earlier] = [monthBack(1), monthBack(2)];

interface Verification extends VerifyReport {
  readonly code: number | null;
}

async function verify(tallyman: Installation, ...words: string[]): Promise<Verification> {
  const { code, stdout, stderr } = await tallyman.run(['verify', ...words, '--json']);
  if (stdout === '') throw new Error(`verify ended with ${code}: ${stderr}`);
  return { ...(JSON.parse(stdout) as VerifyReport), code };
}

async function publish(
  { prefix }: Installation,
  topic: string,
  records: readonly PublishRecord[],
): Promise<void> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  await publisher.publish(`${prefix}.${topic}`, records);
  await publisher.close();
  await client.close();
}

const session = (
  project: string,
  id: string,
  data: Record<string, unknown>,
  time: string,
): PublishRecord => ({
  key: project,
  value: JSON.stringify({
    ...{ specversion: '1.0', id, source: '/sfu', type: 'usage.session.v1', subject: project, time },
    data: { service: 'webrtc', ...data },
  }),
});

/** Two closed months with late usage and repeats, and an open one. */
async function setUp(): Promise<Installation> {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '3');
  for (const project of PROJECTS)
    await tallyman.ok('projects', 'set', project, '--plan', 'ship', '--from', `${earlier}-01`);
  const workload = createWorkload({
    ...{ seed: 7, month, events: 6_000, projects: PROJECTS },
    ...{ monthBefore: 0.05, duplicates: 0.05, malformed: 0.01 },
  });
  await publishNext(tallyman, workload, 3_000);
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', earlier, '--grace', '0s');
  await publishNext(tallyman, workload, 2_000);
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', month, '--grace', '0s');
  await publishNext(tallyman, workload, 1_000); // All of it late.
  await tallyman.ok('consume', '--until-caught-up');
  return tallyman;
}

describe('a log and a Redis that agree, then do not', () => {
  let tallyman: Installation;
  let shard: number;
  const key = (name: string): string => `${tallyman.prefix}:usage:{${shard}}:${name}`;

  beforeAll(async () => {
    tallyman = await setUp();
    const holds = await Promise.all(
      [0, 1, 2].map((n) => redis.exists(`${tallyman.prefix}:usage:{${n}}:totals:${month}:large`)),
    );
    shard = holds.indexOf(1);
  }, 120_000);

  test('equal: exit 0, every month judged, the invoices priced again', async () => {
    const report = await verify(tallyman);
    expect(report.differences).toEqual([]);
    expect(report.code).toBe(0);
    expect(report.months).toMatchObject([
      { month: earlier, result: 'equal', closed: true, invoices: 3 },
      { month, result: 'equal', closed: true, invoices: 3 },
      { month: monthBack(0), result: 'equal', closed: false, invoices: 0 },
    ]);
    expect(report.events).toMatchObject({ read: 6_000 });
    expect(report.events.duplicates).toBeGreaterThan(200);
    expect(report.events.late).toBeGreaterThan(1_000);
    expect(report.events.rejected).toBeGreaterThan(20);
    // What the workload repeats with other data, the report lists: the live totals cannot tell.
    expect(report.conflictCount).toBeGreaterThan(10);
    const verified = await redis.hgetall(`${tallyman.prefix}:billing:verified`);
    expect(Object.keys(verified).sort()).toEqual([earlier, month, monthBack(0)]);
    expect(JSON.parse(verified[month]!)).toMatchObject({
      ...{ month, result: 'equal', differences: 0 },
      conflicts: report.months[1]!.conflicts,
    });
    expect(await redis.keys(`${tallyman.prefix}:*recount*`)).toEqual([]);
  });

  /** Breaks something, expects it to be found, and repairs it. */
  async function expectFound(
    broken: () => Promise<() => Promise<unknown>>,
    expected: readonly Partial<Record<keyof Difference, unknown>>[],
    words: readonly string[] = [],
  ): Promise<void> {
    const repair = await broken();
    try {
      const { code, differences, months } = await verify(tallyman, ...words);
      for (const difference of expected)
        expect(differences).toContainEqual(expect.objectContaining(difference));
      expect(code).toBe(1);
      expect(months.some(({ result }) => result === 'different')).toBe(true);
    } finally {
      await repair();
    }
  }

  test('a total that was raised by one, and the invoice that would follow from it', async () => {
    const field = 'session.webrtc';
    const total = await redis.hget(key(`totals:${month}:large`), field);
    await expectFound(
      async () => {
        await redis.hincrby(key(`totals:${month}:large`), field, 1);
        return () => redis.hincrby(key(`totals:${month}:large`), field, -1);
      },
      [
        {
          ...{ kind: 'total', month, project: 'large', field, shard },
          ...{ expected: total, found: String(BigInt(total!) + 1n) },
        },
        { kind: 'days_sum', month, project: 'large', field },
      ],
      [month],
    );
  });

  test('a day', async () => {
    const [field, quantity] = Object.entries(await redis.hgetall(key(`daily:${month}:large`)))[0]!;
    await expectFound(async () => {
      await redis.hincrby(key(`daily:${month}:large`), field, -1);
      return () => redis.hincrby(key(`daily:${month}:large`), field, 1);
    }, [
      { kind: 'daily', month, project: 'large', field, expected: quantity },
      { kind: 'days_sum', project: 'large' },
    ]);
  });

  test('a late line in the open month', async () => {
    const open = monthBack(0);
    const totals = await redis.hgetall(key(`totals:${open}:large`));
    const field = Object.keys(totals).find((name) => name.startsWith(`${month}@`))!;
    await expectFound(async () => {
      await redis.hset(key(`totals:${open}:large`), field, '7');
      return () => redis.hset(key(`totals:${open}:large`), field, totals[field]!);
    }, [{ kind: 'total', month: open, project: 'large', field, expected: totals[field], found: '7' }]);
  });

  test("a total that is gone, a project that is gone, one that the month's set does not name", async () => {
    const field = 'session.webrtc';
    const total = (await redis.hget(key(`totals:${month}:large`), field))!;
    await expectFound(async () => {
      await redis.hdel(key(`totals:${month}:large`), field);
      return () => redis.hset(key(`totals:${month}:large`), field, total);
    }, [{ kind: 'total', project: 'large', field, expected: total, found: null }]);

    const all = await redis.hgetall(key(`totals:${earlier}:large`));
    await expectFound(async () => {
      await redis.del(key(`totals:${earlier}:large`));
      return () => redis.hset(key(`totals:${earlier}:large`), all);
    }, [{ kind: 'total', month: earlier, project: 'large', expected: all[field], found: null }]);

    await expectFound(async () => {
      await redis.srem(key(`projects:${month}`), 'large');
      return () => redis.sadd(key(`projects:${month}`), 'large');
    }, [{ kind: 'not_listed', month, project: 'large' }]);
  });

  test('usage of a project that has none', async () => {
    await expectFound(async () => {
      await redis.sadd(key(`projects:${month}`), 'ghost');
      await redis.hset(key(`totals:${month}:ghost`), 'session.webrtc', '60');
      return async () => {
        await redis.srem(key(`projects:${month}`), 'ghost');
        await redis.del(key(`totals:${month}:ghost`));
      };
    }, [{ kind: 'total', month, project: 'ghost', field: 'session.webrtc', expected: null, found: '60' }]);
  });

  test('an invoice that was altered, in Redis or in the ledger too', async () => {
    const invoices = `${tallyman.prefix}:billing:invoices:large`;
    const issued = (await redis.hget(invoices, month))!;
    const { total } = JSON.parse(issued) as { total: string };
    const altered = JSON.stringify({ ...(JSON.parse(issued) as object), total: '1.00' });
    const inRedis = async (): Promise<() => Promise<unknown>> => {
      await redis.hset(invoices, month, altered);
      return () => redis.hset(invoices, month, issued);
    };
    const repriced = {
      kind: 'invoice',
      month,
      project: 'large',
      field: 'total',
      expected: total,
      found: '1.00',
    };
    await expectFound(inRedis, [{ kind: 'view', month, project: 'large' }, repriced], [month]);
    await expectFound(
      async () => {
        const mendRedis = await inRedis();
        await publish(tallyman, 'billing.invoices', [{ key: `large-${month}`, value: altered }]);
        return async () => {
          await publish(tallyman, 'billing.invoices', [{ key: `large-${month}`, value: issued }]);
          await mendRedis();
        };
      },
      [repriced],
      [month],
    );
    await tallyman.ok('invoices', 'list'); // Shows what was published: then the loss is the only difference.
    await expectFound(async () => {
      await redis.hdel(invoices, month);
      return () => redis.hset(invoices, month, issued);
    }, [
      { kind: 'view', project: 'large', found: null },
      { kind: 'invoice', project: 'large', found: null },
    ]);
  });

  test("a freeze, a close and a project's plan", async () => {
    const frozen = (await redis.hget(key('closed'), earlier))!;
    await expectFound(async () => {
      await redis.hset(key('closed'), earlier, frozen.replace(/:(\d+)\}/, ':999999}'));
      return () => redis.hset(key('closed'), earlier, frozen);
    }, [{ kind: 'freeze', month: earlier, shard, expected: frozen }]);

    const closes = `${tallyman.prefix}:billing:closes`;
    const record = (await redis.hget(closes, month))!;
    await expectFound(async () => {
      await redis.hdel(closes, month);
      return () => redis.hset(closes, month, record);
    }, [{ kind: 'view', month, found: null }]);

    const projects = `${tallyman.prefix}:billing:projects`;
    const document = (await redis.hget(projects, 'small'))!;
    await redis.hset(projects, 'small', document.replace('ship', 'scale'));
    const { code, differences } = await verify(tallyman);
    await redis.hset(projects, 'small', document);
    expect(code).toBe(1);
    expect(differences).toContainEqual(expect.objectContaining({ kind: 'view', project: 'small' }));
  });

  test('all is equal again once the damage is undone, and the text for people says so', async () => {
    const { code, stdout } = await tallyman.run(['verify', month]);
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`${month} +closed +equal`));
    expect(stdout).toContain('duplicates differ from the event that was counted');
  });
});

test('duplicates with other data are listed with both places, whatever they would count', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '1');
  const day = (date: number): string => `${month}-${String(date).padStart(2, '0')}T10:00:00Z`;
  const first = session('acme', 'a', { durationMs: 60_000, note: { x: 1, y: [2] } }, day(3));
  await publish(tallyman, 'usage.session', [
    first, // 0
    session('acme', 'a', { note: { y: [2], x: 1.0 }, durationMs: 60_000 }, day(3).replace('10:', '11:')), // The same.
    session('acme', 'a', { durationMs: 60_001, note: { x: 1, y: [2] } }, day(3)), // 2: counts otherwise.
    session('acme', 'a', { durationMs: 60_000, note: { x: 2, y: [2] } }, day(3)), // 3: other data, counts the same.
    session('acme', 'a', { durationMs: 60_000, note: { x: 1, y: [2] } }, day(4)), // 4: another day.
    session('other', 'a', { durationMs: 60_001 }, day(3)), // Another project's: no repeat.
  ]);
  await tallyman.ok('consume', '--until-caught-up');
  const report = await verify(tallyman, month);
  expect(report).toMatchObject({ code: 0, differenceCount: 0, conflictCount: 3, events: { duplicates: 4 } });
  const topic = `${tallyman.prefix}.usage.session`;
  const place = (offset: number) => ({ topic, partition: 0, offset });
  const counted = [{ meter: 'session.webrtc', quantity: '60' }];
  expect(report.conflicts).toMatchObject([
    {
      ...{ project: 'acme', source: '/sfu', id: 'a', month, first: place(0), repeat: place(2) },
      ...{ changesUsage: true, firstUsages: counted },
      repeatUsages: [{ meter: 'session.webrtc', quantity: '120' }],
    },
    { first: place(0), repeat: place(3), changesUsage: false },
    {
      ...{
        first: place(0),
        repeat: place(4),
        changesUsage: true,
        firstUsages: counted,
        repeatUsages: counted,
      },
      ...{ firstDay: `${month}-03`, repeatDay: `${month}-04` },
    },
  ]);
  expect(report.months).toMatchObject([{ month, conflicts: 3, conflictsThatCount: 2 }]);
});

test('beside consumers that are busy it compares at one point, and finds nothing', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
  const consumers = tallyman.start('consume');
  const gone = new Promise((resolve) => consumers.on('close', resolve));
  try {
    const workload = createWorkload({ seed: 9, month, events: 40_000, projects: PROJECTS, duplicates: 0.05 });
    let published = false;
    const publishing = (async () => {
      for (let batch = 0; batch < 20; batch += 1) await publishNext(tallyman, workload, 2_000);
      published = true;
    })();
    let runs = 0;
    while (!published) {
      const { code, differences } = await verify(tallyman);
      expect({ code, differences }).toEqual({ code: 0, differences: [] });
      runs += 1;
    }
    await publishing;
    expect(runs).toBeGreaterThan(1);
  } finally {
    consumers.kill('SIGTERM');
    await gone;
  }
});
