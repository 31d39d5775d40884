import { parseInvoiceId } from '../../../src/billing/invoice/invoice-id';
import { issueInvoices, type InvoiceReport } from '../../../src/close/issue-invoices';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import type { PublishRecord } from '../../../src/kafka/producer';
import { writeFrozenPart } from '../../../src/redis/usage/frozen-month';
import { writeInvoices } from '../../../src/redis/views/write-invoices';
import { writeProject } from '../../../src/redis/views/projects';
import { writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, type Store } from '../../../src/redis/store';
import type { Catalog } from '../../../src/billing/catalog/catalog';
import { buildCatalog } from '../../../src/billing/catalog/build-catalog';
import { builtInCatalog, builtInDocument } from '../../kit/built-in-catalog';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

const MONTH = '2026-07';
const HEALTHY = Array.from({ length: 20 }, (_, i) => `healthy-${i}`);

let store: Store;
beforeEach(async () => {
  store = await openStore({ url: testRedisUrl(), prefix: uniquePrefix() });
  await writeShardCount(store, 1);
  for (const project of [...HEALTHY, 'acme']) await use(project, [['agent.session', '60']]);
});
afterEach(() => store.close());

async function use(project: string, totals: [string, string][], month = MONTH): Promise<void> {
  await writeProject(store, { project, plans: [{ plan: 'ship', from: '2026-06-01' }] });
  await writeFrozenPart(store, { shard: 0, month, project, part: 0, totals, daily: [] });
}

function close(
  holds: Parameters<typeof issueInvoices>[0]['holds'] = [],
  catalog = builtInCatalog,
  month = MONTH,
): Promise<InvoiceReport> {
  const publish = async (_topic: string, records: readonly PublishRecord[]): Promise<void> =>
    void (await writeInvoices(
      store,
      records.map(({ key, value }) => ({ ...parseInvoiceId(String(key))!, json: String(value) })),
    ));
  return issueInvoices({
    ...{ store, catalog, calendar: createBillingCalendar('UTC') },
    ...{ month, issuedAt: '2026-08-01T01:00:00.000Z', holds },
    progress: { update: () => undefined, end: () => undefined },
    ledger: {
      publisher: { publish, close: () => Promise.resolve() },
      topic: 'billing.invoices',
      mayPublish: () => Promise.resolve(),
    },
  });
}

test.each<[string, string, () => Promise<unknown>]>([
  [
    'usage from before the first row of the catalog',
    'UNKNOWN_PLAN',
    () => use('acme', [['2023-12@session.webrtc', '60']]),
  ],
  ['late usage of a later month', 'LATE_FIELD', () => use('acme', [['2026-08@session.webrtc', '60']])],
  ['a total that is not a number', 'UNREADABLE', () => use('acme', [['agent.session', 'many']])],
  [
    'totals of another type',
    'UNREADABLE',
    async () => {
      await store.redis.del(store.keys.totals(0, MONTH, 'acme'));
      await store.redis.set(store.keys.totals(0, MONTH, 'acme'), '60');
    },
  ],
  [
    'an invoice that cannot be read',
    'UNREADABLE',
    () => writeInvoices(store, [{ project: 'acme', entry: '2026-06', json: '{' }]),
  ],
  [
    'a plan history that cannot be read',
    'UNREADABLE',
    () => store.redis.hset(store.keys.projects, 'acme', '{"project":"acme"'),
  ],
])('%s holds its project, and no other', async (_, code, spoil) => {
  await spoil();
  const report = await close();
  expect(report).toMatchObject({
    ...{ issued: HEALTHY.length, nothingDue: 0, drafts: [] },
    held: [{ project: 'acme', code, remedy: expect.stringContaining(`tallyman close ${MONTH}`) }],
  });
  expect(await store.redis.hexists(store.keys.invoices('acme'), MONTH)).toBe(0);

  await store.redis.del(store.keys.totals(0, MONTH, 'acme'), store.keys.invoices('acme'));
  await use('acme', [['agent.session', '60']]);
  expect(await close()).toMatchObject({ issued: 1, alreadyIssued: HEALTHY.length, held: [] });
});

/** The built-in catalog with another price of agent sessions, always or from a day on. */
function repriced(from?: string): Catalog {
  const rates = builtInDocument.rates.flatMap((row) => {
    if (row.meter !== 'agent.session') return [row];
    const dearer = { ...row, from: from ?? row.from, plans: { ...row.plans, ship: '0.02' } };
    return from === undefined ? [dearer] : [row, dearer];
  });
  const plans = builtInDocument.plans.map((row) => ({ ...row, name: `The new ${row.name}` }));
  const built = buildCatalog({ ...builtInDocument, rates, plans });
  if (!built.ok) throw new Error(built.problems.join());
  return built.catalog;
}

test('late usage of a month that the catalog prices otherwise since is held until the row is restored', async () => {
  await close();
  const usage: [string, string][] = [
    ['agent.session', '60'],
    [`${MONTH}@agent.session`, '60'],
  ];
  await use('acme', usage, '2026-08');
  const report = await close([], repriced(), '2026-08');
  expect(report).toMatchObject({
    issued: HEALTHY.length,
    held: [{ project: 'acme', code: 'PRICES_CHANGED', detail: expect.stringMatching(/at 0.01 .* at 0.02 /) }],
  });
  // Another name, and a new price from an open month, change nothing.
  expect(await close([], repriced('2026-08-01'), '2026-08')).toMatchObject({ issued: 1, held: [] });
});

test('a plan without usage whose history cannot be read is not forgotten', async () => {
  await store.redis.hset(store.keys.projects, 'unused', 'no JSON');
  expect(await close()).toMatchObject({
    issued: HEALTHY.length + 1,
    held: [{ project: 'unused', code: 'UNREADABLE' }],
  });
});

test.each([
  ['2026-07-31', 1],
  ['2026-08-01', 0],
])('numbers rented from %s on are due without usage and without a plan', async (from, issued) => {
  await writeProject(store, {
    ...{ project: 'renting', plans: [], profile: { phoneNumbers: [{ from, usLocal: 3 }] } },
  });
  expect(await close([], { ...builtInCatalog, defaultPlan: 'ship' })).toMatchObject({
    issued: HEALTHY.length + 1 + issued,
    held: [],
  });
  expect(await store.redis.hexists(store.keys.invoices('renting'), MONTH)).toBe(issued);
});

test('who is held from outside has no invoice', async () => {
  const held = { project: 'acme', code: 'DAYS_DIFFER', detail: 'counted twice', remedy: 'rebuild' } as const;
  const report = await close([
    (page) => Promise.resolve(page.some(({ project }) => project === 'acme') ? [held] : []),
  ]);
  expect(report).toMatchObject({ issued: HEALTHY.length, held: [held] });
});

test('a Redis that refuses all holds nobody: the close ends', async () => {
  await store.redis.del(store.keys.shardCount);
  await expect(close()).rejects.toMatchObject({ code: 'UNINITIALISED' });
});
