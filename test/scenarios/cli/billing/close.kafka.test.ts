import { readTopic } from '../../../kit/kafka/read-topic';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigResourceTypes } from 'kafkajs';
import { openKafka } from '../../../../src/kafka/client';
import { createPublisher, type PublishRecord } from '../../../../src/kafka/producer';
import { builtInDocument } from '../../../kit/built-in-catalog';
import { eventually } from '../../../kit/eventually';
import { testBrokers } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const now = new Date();
const lastMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1))
  .toISOString()
  .slice(0, 7);
const CLOSE = ['close', lastMonth, '--grace', '0s'];

/**
 * A month of agent sessions of a minute each, over what the Ship plan includes: a cent a minute.
 */
async function publishSessions(
  tallyman: Installation,
  projects: readonly string[],
  sessions: number,
  month = lastMonth,
): Promise<void> {
  await publishUsage(tallyman, 'agent', projects, sessions, { durationMs: 60_000 }, month);
}

async function publishUsage(
  { prefix }: Installation,
  kind: 'agent' | 'inference',
  projects: readonly string[],
  count: number,
  data: Record<string, unknown>,
  month = lastMonth,
): Promise<void> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  for (const project of projects) {
    const records = Array.from({ length: count }, (_, id) => ({
      key: project,
      value: JSON.stringify({
        specversion: '1.0',
        id: String(id),
        source: '/agents',
        type: `usage.${kind}.v1`,
        subject: project,
        time: `${month}-10T10:00:00Z`,
        data,
      }),
    }));
    await publisher.publish(`${prefix}.usage.${kind}`, records);
  }
  await publisher.close();
  await client.close();
}

function useCatalog(tallyman: Installation, catalog: unknown): void {
  const file = join(mkdtempSync(join(tmpdir(), 'catalog-')), 'catalog.json');
  writeFileSync(file, JSON.stringify(catalog));
  tallyman.env['TALLYMAN_CATALOG'] = file;
}

/** The rows that hold from a day on, wherever they stand. */
function datedIn(value: unknown): { from: string }[] {
  if (typeof value !== 'object' || value === null) return [];
  const inside = Object.values(value).flatMap(datedIn);
  return 'from' in value ? [value as { from: string }, ...inside] : inside;
}

async function issuedInLedger({ prefix }: Installation): Promise<Map<string, Set<string>>> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const issued = new Map<string, Set<string>>();
  await readTopic(client, `${prefix}.billing.invoices`, (id, value) => {
    issued.set(id, (issued.get(id) ?? new Set<string>()).add(String(value)));
  });
  await client.close();
  return issued;
}

async function setUp(projects: readonly string[]): Promise<Installation> {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
  for (const project of projects) {
    await tallyman.ok('projects', 'set', project, '--plan', 'ship', '--from', `${lastMonth}-01`);
  }
  return tallyman;
}

test('months close in order, all that are due at once, and not before they are over', async () => {
  const monthBack = (months: number): string =>
    new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
  const [current, , second, third] = [0, 1, 2, 3].map(monthBack) as [string, string, string, string];
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
  await tallyman.ok('projects', 'set', 'acme', '--plan', 'ship', '--from', `${third}-01`);
  await publishSessions(tallyman, ['acme'], 1, third);
  await tallyman.ok('consume', '--until-caught-up');

  for (const [month, problem] of [
    [current, 'MONTH_NOT_OVER'],
    [lastMonth, 'EARLIER_MONTH_OPEN'],
  ] as const) {
    const refused = await tallyman.run(['close', month, '--grace', '0s']);
    expect([refused.code, refused.stdout]).toEqual([3, '']);
    expect(refused.stderr).toContain(problem);
  }
  const { closes } = await tallyman.json<{ closes: { month: string; issued: number }[] }>(
    ...['close', '--grace', '0s'],
  );
  expect(closes.map(({ month, issued }) => [month, issued])).toEqual(
    [third, second, lastMonth].map((month) => [month, 1]),
  );
  const { invoices } = await tallyman.json<{ invoices: { number: string }[] }>('invoices', 'list');
  expect(invoices.map(({ number }) => number)).toEqual(['acme-0001', 'acme-0002', 'acme-0003']);
  expect(await tallyman.run(['close', '--grace', '0s'])).toMatchObject({
    ...{ code: 0, stdout: 'No month is due.\n' },
  });
});

test('the close waits for what was published before it', async () => {
  const tallyman = await setUp(['acme']);
  await publishSessions(tallyman, ['acme'], 5_100);

  const tooEarly = await tallyman.run([...CLOSE, '--stall', '1s']);
  expect(tooEarly.code).toBe(1);
  expect(tooEarly.stderr).toContain('NOT_CAUGHT_UP');

  const closing = tallyman.run(CLOSE);
  await tallyman.ok('consume', '--until-caught-up');
  expect(await closing).toMatchObject({ code: 0 });
  const invoice = await tallyman.json<{ total: string }>('invoices', 'show', `acme-${lastMonth}`);
  expect(invoice.total).toBe('51.00'); // The fee, and 100 minutes over 5,000.
});

test('killed and run again, and run by two at once, it issues each invoice once', async () => {
  const projects = ['one', 'two', 'three'];
  const tallyman = await setUp(projects);
  await publishSessions(tallyman, projects, 5_001);
  await tallyman.ok('consume', '--until-caught-up');

  // Killed as soon as the first invoice is safe, wherever that leaves the others.
  const killed = tallyman.start(...CLOSE);
  const gone = once(killed, 'close');
  await eventually(async () => (await issuedInLedger(tallyman)).size > 0 || killed.exitCode !== null, {
    timeoutMs: 30_000,
  });
  killed.kill('SIGKILL');
  await gone;

  // As cron would: no month is named, so the first run must know that it was not finished.
  const due = ['close', '--grace', '0s'];
  const both = await Promise.all([tallyman.run(due), tallyman.run(due)]);
  // One of them may take over from the other, which then says so last, and has done no harm. Before
  // that it may have warned that it restored what only the ledger had: the killed one's invoices.
  expect(both.some(({ code }) => code === 0)).toBe(true);
  for (const { code, stderr } of both.filter((one) => one.code !== 0))
    expect([code, stderr]).toEqual([1, expect.stringMatching(/(^|\n)tallyman: .*\[CLOSE_FENCED\]\n$/)]);
  const issued = await issuedInLedger(tallyman);
  expect([...issued.keys()].sort()).toEqual(projects.map((project) => `${project}-${lastMonth}`).sort());
  for (const [id, versions] of issued) {
    expect(versions.size).toBe(1); // The same bytes, however often it was published.
    expect(await tallyman.json('invoices', 'show', id)).toEqual(JSON.parse([...versions][0]!));
    expect(JSON.parse([...versions][0]!)).toMatchObject({
      number: expect.stringMatching(/-0001$/),
      total: '50.01',
    });
  }
});

test('one project that cannot be priced is held and named, and the others are issued', async () => {
  const tallyman = await setUp(['acme', 'globex']);
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const topic = `${tallyman.prefix}.usage.session`;
  await (
    await client.admin()
  ).alterConfigs({
    validateOnly: false,
    resources: [
      {
        type: ConfigResourceTypes.TOPIC,
        name: topic,
        configEntries: [
          { name: 'message.timestamp.type', value: 'CreateTime' },
          { name: 'retention.ms', value: '-1' },
        ],
      },
    ],
  });
  const publisher = await createPublisher(client);
  const record = (project: string, id: string, time: string): PublishRecord => ({
    key: project,
    timestampMs: Date.parse(time),
    value: JSON.stringify({
      ...{ specversion: '1.0', id, source: '/sfu/edge-7', type: 'usage.session.v1', subject: project, time },
      data: { service: 'webrtc', durationMs: 60_000 },
    }),
  });
  const monthBefore = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 2, 1))
    .toISOString()
    .slice(0, 7);
  await tallyman.ok('close', monthBefore, '--grace', '0s');
  // From a mirrored log, with a time before the catalog's first row.
  await publisher.publish(topic, [
    record('acme', 's-2023', '2023-12-15T12:00:00Z'),
    record('globex', 's-ok', `${lastMonth}-25T10:00:00Z`),
  ]);
  await publisher.close();
  await client.close();
  await tallyman.ok('consume', '--until-caught-up');

  const report = { closes: [{ issued: 1, drafts: [], held: [{ project: 'acme', code: 'UNKNOWN_PLAN' }] }] };
  const closed = await tallyman.run([...CLOSE, '--json']);
  expect([closed.code, JSON.parse(closed.stdout)]).toMatchObject([1, report]);
  // It is taken up again by itself, and people are told for whom and what to type.
  const again = await tallyman.run(['close', '--grace', '0s']);
  expect(again.code).toBe(1);
  expect(again.stdout).toMatch(/acme: .*"build" on 2023-12.* \[UNKNOWN_PLAN\]\n +-> .*catalog/);
  const { invoices } = await tallyman.json<{ invoices: { id: string }[] }>('invoices', 'list');
  expect(invoices.map(({ id }) => id)).toEqual([`globex-${lastMonth}`]);

  const catalog = structuredClone(builtInDocument);
  for (const row of datedIn(catalog)) if (row.from === '2024-01-01') row.from = '2023-01-01';
  useCatalog(tallyman, catalog);
  expect(await tallyman.json<Report>('close', '--grace', '0s')).toMatchObject({
    closes: [{ issued: 1, alreadyIssued: 1, held: [] }],
  });
});

interface Report {
  readonly closes: readonly {
    readonly issued: number;
    readonly alreadyIssued: number;
    readonly drafts: readonly unknown[];
    readonly deadLetters: { readonly count: number; readonly byReason: unknown };
  }[];
}

test('a draft is taken up by every close until its model has a price', async () => {
  const tallyman = await setUp(['acme', 'other']);
  await publishUsage(tallyman, 'inference', ['acme'], 3, { kind: 'stt', model: 'a/new', durationMs: 60_000 });
  await publishUsage(tallyman, 'inference', ['acme'], 1, { kind: 'stt', model: 'a/new', durationMs: -1 });
  await tallyman.ok('consume', '--until-caught-up');

  const rehearsed = await tallyman.json<Report>(...CLOSE, '--dry-run');
  expect(rehearsed.closes).toMatchObject([{ dryRun: true, issued: 1, drafts: [{ project: 'acme' }] }]);
  expect(await issuedInLedger(tallyman)).toEqual(new Map());

  for (const [issued, alreadyIssued] of [
    [1, 0],
    [0, 1],
  ]) {
    const closed = await tallyman.run(['close', '--grace', '0s', '--json']);
    expect(closed.code).toBe(1); // For cron: somebody has something to do.
    expect((JSON.parse(closed.stdout) as Report).closes).toMatchObject([
      { issued, alreadyIssued, drafts: [{ project: 'acme', unpriced: ['inference.stt/a/new'] }] },
    ]);
  }

  const catalog = structuredClone(builtInDocument) as unknown as { inference: { stt: { models: object[] } } };
  catalog.inference.stt.models.push({ model: 'a/new', from: '2024-01-01', price: '1' });
  useCatalog(tallyman, catalog);
  const corrected = await tallyman.json<Report>('close', '--grace', '0s');
  expect(corrected.closes).toMatchObject([{ issued: 1, alreadyIssued: 1, drafts: [] }]);
  // 3 minutes at 1.00, all paid by the credits.
  expect(await tallyman.json('invoices', 'show', `acme-${lastMonth}`)).toMatchObject({ total: '50.00' });
  expect(await tallyman.ok('close', '--grace', '0s')).toContain('No month is due');
});
