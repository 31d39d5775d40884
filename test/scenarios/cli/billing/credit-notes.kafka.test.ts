import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Invoice } from '../../../../src/billing/invoice/invoice';
import { openKafka } from '../../../../src/kafka/client';
import { createPublisher } from '../../../../src/kafka/producer';
import { testBrokers, testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const redis = new Redis(testRedisUrl());
afterAll(() => redis.quit());

const now = new Date();
const monthBack = (months: number): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
const [month, earlier] = [monthBack(1), monthBack(2)];
/** `left` paid for a month and left for the free plan; `stays` goes on paying. */
const PROJECTS = ['left', 'stays'];
const SESSIONS = 5_100; // A hundred minutes over what Ship includes: a cent each.

const session = (id: number): object => ({
  specversion: '1.0',
  id: String(id),
  source: '/agents',
  type: 'usage.agent.v1',
  time: `${earlier}-10T10:00:00Z`,
  data: { durationMs: 60_000 },
});

const voidOf = (id: number): object => {
  const { specversion, ...event } = session(id) as { specversion: string; source: string };
  return {
    ...{ specversion, id: `void-${id}`, source: '/desk', type: 'usage.void.v1' },
    time: now.toISOString(),
    data: event,
  };
};

async function publish({ prefix }: Installation, events: readonly object[]): Promise<void> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  for (const project of PROJECTS) {
    const records = events.map((event) => ({
      key: project,
      value: JSON.stringify({ ...event, subject: project }),
    }));
    await publisher.publish(`${prefix}.usage.agent`, records);
  }
  await publisher.close();
  await client.close();
}

async function shownInvoices({ prefix }: Installation): Promise<Record<string, Record<string, string>>> {
  const shown: Record<string, Record<string, string>> = {};
  for (const project of PROJECTS)
    shown[project] = await redis.hgetall(`${prefix}:billing:invoices:${project}`);
  return shown;
}

/**
 * As a Redis that lost its tail: the documents went, and what says that they are shown went with
 * them.
 */
async function loseInvoices({ prefix }: Installation): Promise<void> {
  const keys = await redis.keys(`${prefix}:billing:invoice*`);
  expect(keys.length).toBeGreaterThan(PROJECTS.length);
  await redis.unlink(keys);
}

async function numbers(tallyman: Installation): Promise<unknown[]> {
  const { invoices } = await tallyman.json<{ invoices: Invoice[] }>('invoices', 'list');
  return invoices.map(({ id, number, total }) => [id, number, total]);
}

test('voids of a closed month are a credit line, or a credit note where nothing is due; lost views lose no number', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
  for (const project of PROJECTS)
    await tallyman.ok('projects', 'set', project, '--plan', 'ship', '--from', `${earlier}-01`);
  await tallyman.ok('projects', 'set', 'left', '--plan', 'build', '--from', `${month}-01`);
  const sessions = Array.from({ length: SESSIONS }, (_, id) => id);
  await publish(tallyman, sessions.map(session));
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', earlier, '--grace', '0s');

  await publish(tallyman, sessions.slice(0, 30).map(voidOf));
  await tallyman.ok('consume', '--until-caught-up');
  const closing = await tallyman.json<{ closes: unknown[] }>('close', month, '--grace', '0s', '--dry-run');
  expect(closing.closes).toMatchObject([
    { issued: 1, nothingDue: 1, creditNotes: { issued: 1, totalMinor: '-30' } },
  ]);

  // What was issued is counted in the ledger, whatever Redis has lost of it.
  await loseInvoices(tallyman);
  const closed = await tallyman.run(['close', month, '--grace', '0s']);
  expect(closed.stdout).toContain('1 credit notes issued: -0.30 USD');
  expect(closed.stderr).toContain('restored records that only the ledger had');
  const expected = [
    [`left-${earlier}`, 'left-0001', '51.00'],
    [`stays-${earlier}`, 'stays-0001', '51.00'],
    [`left-${month}-CN`, 'left-CN0001', '-0.30'],
    [`stays-${month}`, 'stays-0002', '49.70'],
  ];
  expect(await numbers(tallyman)).toEqual(expected);

  const id = `left-${month}-CN`;
  const note = await tallyman.json<Invoice>('invoices', 'show', id);
  expect(note).toMatchObject({
    kind: 'credit_note',
    corrects: [{ month: earlier, invoice: 'left-0001' }],
    lines: [{ kind: 'late', period: earlier, quantity: '-30', billable: '-30', amount: '-0.30' }],
  });
  const shown = await tallyman.ok('invoices', 'show', id);
  expect(shown).toContain('Credit note left-CN0001');
  expect(shown).toContain(`corrects ${earlier} (invoice left-0001)`);
  expect(await tallyman.ok('invoices', 'csv', '--month', month)).toContain(`\r\n${id},late,${earlier},`);
  const file = join(mkdtempSync(join(tmpdir(), 'credit-note-')), 'note.pdf');
  await tallyman.ok('invoices', 'pdf', id, '--out', file);
  expect(readFileSync(file).subarray(0, 5).toString()).toBe('%PDF-');
  const folder = join(mkdtempSync(join(tmpdir(), 'month-')), 'new', month);
  const monthPdfs = (): Promise<string> => tallyman.ok('invoices', 'pdf', '--month', month, '--out', folder);
  expect(await monthPdfs()).toBe(`PDFs in ${folder}: 2 written, 0 kept.\n`);
  expect(readdirSync(folder).sort()).toEqual([`${id}.pdf`, `stays-${month}.pdf`]);
  expect(readFileSync(join(folder, `${id}.pdf`)).equals(readFileSync(file))).toBe(true);
  rmSync(join(folder, `${id}.pdf`));
  expect(await monthPdfs()).toBe(`PDFs in ${folder}: 1 written, 1 kept.\n`);
  expect(await tallyman.run(['invoices', 'pdf', '--month', month])).toMatchObject({ code: 2 });
  expect(await tallyman.ok('explain', id, '1')).toContain('-1,800, as the line says');

  // Issued and settled: closed again it stays as it is, and a recount comes to the same.
  const documents = await shownInvoices(tallyman);
  await tallyman.ok('close', month, '--grace', '0s');
  expect(await shownInvoices(tallyman)).toEqual(documents);
  expect(await tallyman.run(['verify', month])).toMatchObject({ code: 0 });
  await redis.unlink(await redis.keys(`${tallyman.prefix}:*`));
  await tallyman.ok('rebuild');
  expect(await shownInvoices(tallyman)).toEqual(documents);
  expect(await numbers(tallyman)).toEqual(expected);

  // A credit note that Redis shows and nobody issued is found.
  await redis.hset(`${tallyman.prefix}:billing:invoices:stays`, `${month}-CN`, JSON.stringify(note));
  const verified = await tallyman.run(['verify', month, '--json']);
  expect(verified.code).toBe(1);
  expect((JSON.parse(verified.stdout) as { differences: unknown }).differences).toMatchObject([
    {
      ...{ kind: 'invoice', project: 'stays', field: 'credit note, total' },
      ...{ expected: null, found: '-0.30 issued' },
    },
    { kind: 'view', project: 'stays', month, field: 'billing.invoices', expected: null },
  ]);
});
