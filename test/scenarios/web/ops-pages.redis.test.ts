import { readFileSync } from 'node:fs';
import { freeze } from '../../../src/redis/cut-offs';
import { webHarness, type WebHarness } from '../../kit/web/web-harness';

/** The pages for the people who run the installation, on a Kafka that does not answer. */

let harness: WebHarness;

beforeAll(async () => {
  harness = await webHarness();
  await harness.set({
    project: 'b-ship',
    plans: [{ plan: 'ship', from: '2026-01-01' }],
    profile: { name: '<b>Bold</b>' },
  });
  await harness.count({ project: 'never-set' });
  for (const project of ['acme', 'b-ship']) await harness.issue(project, '2026-06', `${project}-0001`);
});
afterAll(() => harness.close());

async function get(
  url: string,
  query: Record<string, string> = {},
): Promise<{ status: number; body: string; text: string }> {
  const headers = { ...harness.bearer({}, { role: 'ops' }), accept: 'text/html' };
  const { statusCode, body } = await harness.inject({
    ...{ url, headers },
    ...(Object.keys(query).length > 0 && { query }),
  });
  const text = body.replace(/<[^>]*>/g, ' ').replace(/\s+/g, ' ');
  return { status: statusCode, body, text };
}

const rowsOf = (body: string): string[] =>
  [...body.matchAll(/<th scope="row"><a href="[^"]*"\s*>([^<]*)</g)].map(([, name]) => name!);

test('a project is found by a part of its id or name, on any page', async () => {
  expect((await get('/ops')).body).toMatch(/<form method="get" action="\/ops\/projects"/);
  const found = await get('/ops/projects', { search: 'bold' });
  expect(rowsOf(found.body)).toEqual(['b-ship']);
  expect(found.body).toContain('<bdi>&lt;b&gt;Bold&lt;/b&gt;</bdi>');
  expect(rowsOf((await get('/ops/projects', { search: '', plan: '', status: 'active' })).body)).toEqual([
    'never-set',
  ]);
  expect((await get('/ops/projects', { search: 'nobody' })).text).toContain('No projects.');
  expect((await get('/ops/projects', { status: 'new' })).status).toBe(400);
});

test('a long list goes on with the next page, and keeps its filters', async () => {
  const names = Array.from({ length: 60 }, (_, i) => `many-${String(i).padStart(2, '0')}`);
  for (const project of names) await harness.set({ project, plans: [{ plan: 'scale', from: '2026-01-01' }] });
  const first = await get('/ops/projects', { plan: 'scale' });
  expect(rowsOf(first.body)).toEqual(names.slice(0, 50));
  const next = /rel="next" href="([^"]+)"/.exec(first.body)![1]!.replaceAll('&amp;', '&');
  const second = await get(next);
  expect(rowsOf(second.body)).toEqual(names.slice(50));
  expect(second.body).toContain('href="/ops/projects?plan=scale"');
  expect(second.body).not.toContain('rel="next"');
});

test('the invoices of a month are one list, with its CSV', async () => {
  const list = await get('/ops/invoices', { month: '2026-06' });
  expect(rowsOf(list.body)).toEqual(['acme', 'b-ship']);
  expect(list.text).toContain('acme-0001');
  const csv = /href="(\/v1\/invoices.csv[^"]+)"/.exec(list.body)![1]!;
  expect((await get(csv)).body).toMatch(/^invoice,kind,.*\r\nacme-2026-06,plan,/);
  const open = await get('/ops/invoices', { month: '2026-06', status: 'open', plan: 'scale' });
  expect(rowsOf(open.body)).toHaveLength(50);
  expect(open.body).not.toContain('.csv');
  expect((await get('/ops/invoices', { status: 'draft' })).text).toContain('`status=draft` needs `month`.');
});

test('what is wrong is named with what it means and what to do', async () => {
  const { text } = await get('/ops');
  expect(text).toContain('Kafka does not answer');
  expect(text).toContain('Check Kafka, and the network between it and this server.');
  expect(text).toContain('LOG_UNSEEN');
  await harness.store.redis.set(harness.store.keys.shard(1).rebuilding, 'now');
  const during = await get('/ops');
  await harness.store.redis.del(harness.store.keys.shard(1).rebuilding);
  // The page itself needs no totals.
  expect(during.status).toBe(200);
  expect(during.text).toContain('Not available now.');
});

test('a close shows how far it is, from the cut of the shards to the last invoice', async () => {
  const { store } = harness;
  const months = async (): Promise<string> => /Months(.*)Dead letters/.exec((await get('/ops')).text)![1]!;
  const write = (record: object): Promise<unknown> =>
    store.redis.hset(
      store.keys.closes,
      '2026-06',
      JSON.stringify({ month: '2026-06', closedAt: '2026-07-01T01:00:00.000Z', cursors: {}, ...record }),
    );
  await harness.count(
    { project: 'never-set', month: '2026-06', day: '2026-06-30' },
    { project: 'acme', month: '2026-06', day: '2026-06-30' },
    { project: 'x3', month: '2026-06', day: '2026-06-30' },
  );
  await store.redis.hdel(store.keys.closes, '2026-06');
  expect(await months()).toMatch(
    /June 2026 Ended, not closed Its usage is not billed yet. Run tallyman close 2026-06/,
  );
  await freeze(store, 0, '2026-06');
  expect(await months()).toMatch(/June 2026 Closing 1 of 2 shards cut off/);
  await freeze(store, 1, '2026-06');
  await write({});
  expect(await months()).toMatch(/June 2026 Closing 2 of about 3 projects invoiced/);
  await write({ issued: true });
  expect(await months()).toMatch(/June 2026 Invoices left Some projects have no invoice yet/);
  await write({ completed: true });
  expect(await months()).toMatch(/June 2026 Closed Closed at 2026-07-01 01:00/);
});

test('each problem that readiness can report is explained here as in the documentation', () => {
  const source = readFileSync('src/ops/problem-guide.ts', 'utf8');
  const documented = readFileSync('docs/operating/monitor.md', 'utf8');
  const codes = [...source.matchAll(/^ {2}([A-Z_]+): \{$/gm)].map(([, code]) => code!);
  expect(codes.length).toBeGreaterThan(8);
  for (const code of codes) expect(documented).toContain(`\`${code}\``);
});
