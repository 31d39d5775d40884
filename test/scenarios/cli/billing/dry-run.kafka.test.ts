import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { openKafka, type KafkaClient } from '../../../../src/kafka/client';
import { ledgerTopics, logEnds, topicName, usageTopics } from '../../../../src/kafka/topics/topics';
import { openStore, type Store } from '../../../../src/redis/store';
import { readCsv } from '../../../../src/lib/text/csv-reader';
import { dumpAll } from '../../../kit/redis/dump';
import { quietLog } from '../../../kit/kafka/kafka-harness';
import { testBrokers, testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const now = new Date();
const month = now.toISOString().slice(0, 7);
const lastMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1))
  .toISOString()
  .slice(0, 7);
const event = (id: string, data: object): string =>
  JSON.stringify({
    ...{ specversion: '1.0', id, source: '/agents', type: 'usage.agent.v1', subject: 'acme' },
    time: `${month}-01T00:00:00Z`,
    data,
  });

let folder: string;
let tallyman: Installation;
let kafka: KafkaClient;
let store: Store;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dry-run-'));
  tallyman = installation();
  kafka = openKafka({ brokers: testBrokers(), clientId: 'test' }, quietLog);
  store = await openStore({ url: testRedisUrl(), prefix: tallyman.prefix });
});

afterAll(async () => {
  await store.close();
  await kafka.close();
  rmSync(folder, { recursive: true });
});

/** All that an installation is: the ends of its topics, and each key of Redis. */
async function content(): Promise<unknown> {
  const { prefix } = tallyman;
  const topics = [...usageTopics(prefix), ...ledgerTopics(prefix), topicName(prefix, 'usage.dead-letters')];
  return [await logEnds(kafka, topics), await dumpAll(store, prefix)];
}

async function csvOf(...words: string[]): Promise<string[][]> {
  const text = await tallyman.ok(...words, '--output', 'csv');
  const rows: string[][] = [];
  const chunks = Readable.from([text]) as AsyncIterable<string>;
  for await (const { fields } of readCsv(chunks)) rows.push([...fields]);
  return rows;
}

test('a dry run of init creates nothing, and tells what init then creates', async () => {
  const planned = await tallyman.json<{ topics: string[] }>('init', '--partitions', '2', '--dry-run');
  expect((await kafka.topics(usageTopics(tallyman.prefix))).size).toBe(0);
  expect(await dumpAll(store, tallyman.prefix)).toEqual({});
  const created = await tallyman.json('init', '--partitions', '2');
  expect(planned).toEqual({ dryRun: true, ...(created as object) });
  expect(planned.topics).toHaveLength(11);
  expect(await tallyman.json('init', '--dry-run')).toEqual({
    dryRun: true,
    topics: [],
    raised: [],
    partitions: 2,
    cursors: 0,
  });
});

describe('an installation in use', () => {
  beforeAll(async () => {
    await tallyman.ok(
      'projects',
      'set',
      'acme',
      '--plan',
      'ship',
      '--from',
      `${lastMonth}-01`,
      '--name',
      '=Acme, Inc.',
    );
    const events = [event('one', { durationMs: 6_000 * 60_000 }), event('bad', { durationMs: 'soon' })];
    expect(await tallyman.run(['publish', '-'], events.join('\n'))).toMatchObject({ code: 0 });
    await tallyman.ok('consume', '--until-caught-up');
  });

  test('no dry run writes to a topic or to Redis', async () => {
    writeFileSync(
      join(folder, 'projects.csv'),
      `project,plan,from,email\nacme,scale,${month}-01,a@acme.example\nnew,build,${month}-01,\n`,
    );
    // Every reading verb brings its views up to the ends of their ledgers.
    await tallyman.ok('invoices', 'preview', 'acme');
    const before = await content();
    const imported = ['projects', 'import', join(folder, 'projects.csv'), '--dry-run'];
    expect(await tallyman.ok(...imported)).toMatch(
      /Would add 1 projects, change 1 and leave 0 as they are \(dry run.*\n[^]*^acme +changed +plans, profile\.email +ship from .*, scale from .*\n^new +new +plans +build from/m,
    );
    expect(await tallyman.json(...imported)).toMatchObject({
      dryRun: true,
      imported: 0,
      unchanged: 0,
      changes: [
        { project: 'acme', fields: ['plans', 'profile.email'], before: { project: 'acme' } },
        { project: 'new', before: null, after: { plans: [{ plan: 'build' }] } },
      ],
    });
    expect(await tallyman.ok('projects', 'set', 'acme', '--plan', 'scale', '--dry-run')).toContain(
      'scale from',
    );
    expect(await tallyman.ok('alerts', 'watch', '--dry-run')).toMatch(
      /^2 alerts would be sent .*\n[^]*^acme .*Agent session minutes +80 +6,000 +5,000 minute\n/m,
    );
    expect(await tallyman.json('dead-letters', 'replay', '--dry-run')).toMatchObject({
      dryRun: true,
      replayed: 0,
    });
    expect(await tallyman.json('close', lastMonth, '--grace', '0s', '--dry-run')).toMatchObject({
      closes: [{ dryRun: true, issued: 1 }],
    });
    expect(await tallyman.json('rebuild', '--dry-run')).toEqual({
      dryRun: true,
      deletes: 0,
      cursors: 0,
      offsets: 0,
    });
    expect(await tallyman.json('rebuild', '--empty', '--dry-run')).toMatchObject({ cursors: 8, offsets: 2 });
    expect(await tallyman.ok('rebuild', '--empty', '--dry-run')).toMatch(
      /^Would delete \d+ keys .*\nWould create 8 cursors, and read 2 offsets/,
    );
    expect(await content()).toEqual(before);

    // What was only shown is done afterwards, so the dry runs did look at the real thing.
    await tallyman.ok('alerts', 'watch', '--once');
    await tallyman.ok('projects', 'import', join(folder, 'projects.csv'));
    expect(await tallyman.ok('alerts', 'watch', '--dry-run')).toMatch(/^0 alerts/);
  });

  test('lists are printed as CSV, with numbers that a program reads and texts that no spreadsheet runs', async () => {
    await tallyman.ok('close', lastMonth, '--grace', '0s');
    const [totals, projects, invoices, rejected, keys, alerts, compared, verified, findings] =
      await Promise.all([
        csvOf('totals', '--all'),
        csvOf('projects', 'list'),
        csvOf('invoices', 'list'),
        csvOf('dead-letters', 'list'),
        csvOf('keys', 'acme'),
        csvOf('alerts', 'list'),
        csvOf('projects', 'compare', 'acme', '--month', lastMonth),
        csvOf('verify'),
        tallyman.run(['doctor', '--output', 'csv']),
      ]);
    expect(totals).toEqual([
      ['project', 'month', 'meter', 'total'],
      ['acme', month, 'agent.session', '360000'],
    ]);
    expect(await csvOf('totals', 'acme')).toEqual(totals);
    expect(projects).toEqual([
      ['project', 'name', 'email', 'plan', 'from', 'budget'],
      ['acme', "'=Acme, Inc.", 'a@acme.example', 'ship', `${lastMonth}-01`, ''],
      ['acme', "'=Acme, Inc.", 'a@acme.example', 'scale', `${month}-01`, ''],
      ['new', '', '', 'build', `${month}-01`, ''],
    ]);
    expect(invoices.map((row) => [row[0], row[1], row[2], row[10], row[11]])).toEqual([
      ['invoice', 'number', 'kind', 'total', 'currency'],
      [`acme-${lastMonth}`, 'acme-0001', 'invoice', '50.00', 'USD'],
    ]);
    expect(rejected).toHaveLength(2);
    expect(rejected[1]!.slice(0, 3)).toEqual([
      expect.stringMatching(/usage\.agent\/\d\/\d$/),
      expect.stringMatching(/Z$/),
      'schema_violation',
    ]);
    expect(keys.flat()).toEqual([
      'key',
      expect.stringContaining(`:totals:${month}:acme`),
      expect.stringContaining(`:daily:${month}:acme`),
      expect.stringMatching(/:billing:projects$/),
      expect.stringMatching(/:billing:invoices:acme$/),
    ]);
    expect(alerts.map(([, project, , , , , , percent, used]) => [project, percent, used])).toEqual([
      ['project', 'percent', 'used'],
      ['acme', '80', '6000'],
      ['acme', '100', '6000'],
    ]);
    expect(compared.map(([plan, , , , , total]) => [plan, total])).toEqual([
      ['plan', 'total'],
      ['build', '0.00'],
      ['ship', '50.00'],
      ['scale', '500.00'],
    ]);
    expect(verified).toHaveLength(1);
    expect(findings.stdout).toMatch(/^level,subject,problem,remedy\r\n/);
  });
});
