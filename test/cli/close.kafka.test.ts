import { once } from 'node:events';
import { openKafka } from '../../src/stream/kafka';
import { readLedger } from '../../src/stream/ledger';
import { createPublisher } from '../../src/stream/producer';
import { eventually } from '../support/eventually';
import { testBrokers } from '../support/services';
import { installation, type Installation } from '../support/tallyman';

const now = new Date();
const lastMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1))
  .toISOString()
  .slice(0, 7);
const CLOSE = ['close', lastMonth, '--grace', '0s'];

/** A month of agent sessions of a minute each, over what the Ship plan includes: a cent a minute. */
async function publishSessions(
  { prefix }: Installation,
  projects: readonly string[],
  sessions: number,
): Promise<void> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  for (const project of projects) {
    const records = Array.from({ length: sessions }, (_, id) => ({
      key: project,
      value: JSON.stringify({
        specversion: '1.0',
        id: String(id),
        source: '/agents',
        type: 'usage.agent.v1',
        subject: project,
        time: `${lastMonth}-10T10:00:00Z`,
        data: { durationMs: 60_000 },
      }),
    }));
    await publisher.publish(`${prefix}.usage.agent`, records);
  }
  await publisher.close();
  await client.close();
}

async function issuedInLedger({ prefix }: Installation): Promise<Map<string, Set<string>>> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const issued = new Map<string, Set<string>>();
  await readLedger(client, `${prefix}.billing.invoices`, (id, value) => {
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

  const both = await Promise.all([tallyman.run(CLOSE), tallyman.run(CLOSE)]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
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
