import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installation } from '../../../kit/tallyman';

const folder = mkdtempSync(join(tmpdir(), 'tallyman-main-job-'));
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * The month before this one: its records are young enough for Kafka to keep, and it may be closed.
 */
const now = new Date();
const lastMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1))
  .toISOString()
  .slice(0, 7);
const time = `${lastMonth}-14T09:31:10Z`;

function session(id: string, subject: string, durationMs: number): string {
  return JSON.stringify({
    specversion: '1.0',
    id,
    source: '/sfu',
    type: 'usage.session.v1',
    subject,
    time,
    data: { service: 'webrtc', durationMs },
  });
}

function eventsFile(name: string, lines: readonly string[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.join('\n'));
  return path;
}

test('events in, totals in Redis, a month closed, invoices out', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '3');
  expect(await tallyman.json('init', '--partitions', '3')).toEqual({
    ...{ topics: [], raised: [] },
    ...{ partitions: 3, cursors: 0 },
  });

  await tallyman.ok(
    'projects',
    'set',
    'ten',
    '--plan',
    'ship',
    '--from',
    `${lastMonth}-01`,
    '--name',
    'Ten Inc.',
  );
  await tallyman.ok('projects', 'set', 'idle', '--plan', 'scale', '--from', `${lastMonth}-01`);
  const file = eventsFile('examples.ndjson', [
    session('a', 'ten', 10_000),
    session('b', 'seventy', 70_000),
    session('c', 'twice', 10_000),
    session('d', 'twice', 10_000),
    session('d', 'twice', 10_000), // A producer's retry.
  ]);
  expect(await tallyman.json('publish', '--check', file)).toEqual({ checked: 5 });
  expect(await tallyman.json('publish', file)).toEqual({ published: 5 });
  await tallyman.ok('consume', '--until-caught-up');

  // Billed: 10 s as a minute, 70 s as two, two connections of 10 s as two.
  const totals = (project: string) => tallyman.json('totals', project, '--month', lastMonth);
  expect(await totals('ten')).toEqual({
    project: 'ten',
    month: lastMonth,
    totals: { 'session.webrtc': '60' },
  });
  expect(await totals('seventy')).toMatchObject({ totals: { 'session.webrtc': '120' } });
  expect(await totals('twice')).toMatchObject({ totals: { 'session.webrtc': '120' } });

  const rehearsal = await tallyman.json<{ closes: { issued: number }[] }>(
    'close',
    lastMonth,
    '--grace',
    '0s',
    '--dry-run',
  );
  expect(rehearsal.closes[0]).toMatchObject({ issued: 2, nothingDue: 2, dryRun: true });
  expect(await tallyman.json('invoices', 'list')).toEqual({ invoices: [] });

  // A plan's fee is due without usage; without an amount due there is no invoice.
  await tallyman.ok('close', lastMonth, '--grace', '0s');
  const { invoices } = await tallyman.json<{ invoices: { id: string; total: string; number: string }[] }>(
    'invoices',
    'list',
  );
  expect(invoices).toMatchObject([
    { id: `idle-${lastMonth}`, total: '500.00', number: 'idle-0001' },
    { id: `ten-${lastMonth}`, total: '50.00', number: 'ten-0001' },
  ]);
  const before = await tallyman.ok('invoices', 'show', `ten-${lastMonth}`, '--json');

  // Late usage stands in the open month, under its own; the closed month and its invoices stay as
  // they are.
  await tallyman.ok('publish', eventsFile('late.ndjson', [session('e', 'ten', 10_000)]));
  await tallyman.ok('consume', '--until-caught-up');
  expect(await totals('ten')).toMatchObject({ totals: { 'session.webrtc': '60' } });
  expect(await tallyman.json('totals', 'ten')).toMatchObject({
    totals: { [`${lastMonth}@session.webrtc`]: '60' },
  });
  const again = await tallyman.json<{ closes: unknown[] }>('close', lastMonth, '--grace', '0s');
  expect(again.closes).toMatchObject([{ issued: 0, alreadyIssued: 2 }]);
  expect(await tallyman.ok('invoices', 'show', `ten-${lastMonth}`, '--json')).toBe(before);
});

describe('what is refused', () => {
  test('the month is not over: exit 3', async () => {
    const tallyman = installation();
    await tallyman.ok('init', '--partitions', '1');
    const month = new Date().toISOString().slice(0, 7);
    const later = ['--now', new Date(Date.now() + 40 * 86_400_000).toISOString()];
    for (const words of [
      ['close', month],
      ['close', month, ...later],
    ]) {
      const answer = await tallyman.run(words);
      expect(answer).toMatchObject({ code: 3, stdout: '' });
      expect(answer.stderr).toContain('MONTH_NOT_OVER');
    }
    await tallyman.ok('close', month, ...later, '--dry-run');
  });

  test('no cursor: the consumer stops and says what to do', async () => {
    const tallyman = installation();
    const answer = await tallyman.run(['consume', '--until-caught-up']);
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('tallyman init');
  });

  test.each([
    [['totals'], 'Name a project, or write --all'],
    [['totals', '.dot'], 'is not a project id'],
    [['totals', 'acme', '--month', '2026-13'], 'is not a month'],
    [['close', '--grace', 'soon'], 'is not a duration'],
    [['consume', 'everything'], 'Allowed choices'],
  ])('wrong usage: exit 2 (%j)', async (words, message) => {
    const answer = await installation().run(words);
    expect(answer).toMatchObject({ code: 2, stdout: '' });
    expect(answer.stderr).toContain(message);
  });

  test('a bad environment: every problem at once', async () => {
    const tallyman = installation({
      KAFKA_BROKERS: 'nowhere',
      TALLYMAN_BILLING_ZONE: 'Mars/Base',
      LOG_LEVEL: 'loud',
    });
    const answer = await tallyman.run(['totals', 'acme']);
    expect(answer.code).toBe(2);
    for (const name of ['KAFKA_BROKERS', 'TALLYMAN_BILLING_ZONE', 'LOG_LEVEL'])
      expect(answer.stderr).toContain(name);
  });

  test('publish --check publishes nothing when one event is bad', async () => {
    const tallyman = installation();
    const file = eventsFile('bad.ndjson', [session('a', 'ten', 1), session('b', 'ten', -1)]);
    const answer = await tallyman.run(['publish', '--check', file]);
    expect(answer.code).toBe(1);
    expect(answer.stderr).toContain('bad.ndjson:2: schema_violation: data.durationMs');
  });
});
