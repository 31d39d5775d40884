import type { Invoice } from '../../../src/billing/invoice/invoice';
import { parseInvoiceId } from '../../../src/billing/invoice/invoice-id';
import type { ProjectDocument } from '../../../src/billing/project/project';
import { issueInvoices, type InvoiceReport } from '../../../src/close/issue-invoices';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import type { PublishRecord } from '../../../src/kafka/producer';
import { writeFrozenPart } from '../../../src/redis/usage/frozen-month';
import { writeInvoices } from '../../../src/redis/views/write-invoices';
import { writeProject } from '../../../src/redis/views/projects';
import { writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, type Store } from '../../../src/redis/store';
import { builtInCatalog } from '../../kit/built-in-catalog';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

/** Late usage and late voids that add up to nothing: Redis holds them by day alone. */

const METER = 'session.sip.us_toll_free';
/** 1 a minute until 15 July, 200 from then on. */
const project: ProjectDocument = {
  project: 'n',
  plans: ['1', '200'].map((price, i) => ({
    plan: 'ship',
    from: i === 0 ? '2026-01-01' : '2026-07-16',
    overrides: { fee: '0', rates: [{ meter: METER, per: '1', price }] },
  })),
};

let store: Store;
beforeEach(async () => {
  store = await openStore({ url: testRedisUrl(), prefix: uniquePrefix() });
  await writeShardCount(store, 2);
  await writeProject(store, project);
});
afterEach(() => store.close());

async function hold(
  month: string,
  totals: [string, string][],
  daily: [string, string][],
  shard = 0,
): Promise<void> {
  await writeFrozenPart(store, { shard, month, project: 'n', part: 0, totals, daily });
}

function close(month: string, catalog = builtInCatalog): Promise<InvoiceReport> {
  const publish = async (_topic: string, records: readonly PublishRecord[]): Promise<void> =>
    void (await writeInvoices(
      store,
      records.map(({ key, value }) => ({ ...parseInvoiceId(String(key))!, json: String(value) })),
    ));
  return issueInvoices({
    ...{ store, catalog, calendar: createBillingCalendar('UTC') },
    ...{ month, issuedAt: '2026-10-01T01:00:00.000Z' },
    progress: { update: () => undefined, end: () => undefined },
    ledger: {
      publisher: { publish, close: () => Promise.resolve() },
      topic: 'billing.invoices',
      mayPublish: () => Promise.resolve(),
    },
  });
}

/** Entry -> total, of all that was issued. */
async function totals(): Promise<Record<string, string>> {
  const documents = await store.redis.hgetall(store.keys.invoices('n'));
  return Object.fromEntries(
    Object.entries(documents).map(([entry, json]) => [entry, (JSON.parse(json) as Invoice).total]),
  );
}

test('a dear day that is taken back for a cheap one is a credit note', async () => {
  await hold('2026-07', [[METER, '60']], [[`2026-07-20/${METER}`, '60']]);
  await close('2026-07');
  const late: [string, string][] = [
    [`2026-07-05/${METER}`, '60'],
    [`2026-07-20/${METER}`, '-60'],
  ];
  await hold('2026-08', [], late);
  expect(await close('2026-08')).toMatchObject({
    drafts: [],
    held: [],
    creditNotes: { totalMinor: -19_900n },
  });
  expect(await totals()).toEqual({ '2026-07': '200.00', '2026-08-CN': '-199.00' });
});

test('a cheap day for a dear one is an invoice, also where several months and shards are late at once', async () => {
  await hold('2026-07', [[METER, '120']], [[`2026-07-05/${METER}`, '120']]);
  await close('2026-07');
  await hold('2026-08', [], [[`2026-07-05/${METER}`, '-60']], 0);
  await hold('2026-08', [], [[`2026-07-20/${METER}`, '60']], 1);
  await close('2026-08');
  // And back again, beside a month whose late usage does not cancel.
  await hold(
    '2026-09',
    [[`2026-08@${METER}`, '60']],
    [
      [`2026-07-05/${METER}`, '60'],
      [`2026-07-20/${METER}`, '-60'],
      [`2026-08-01/${METER}`, '60'],
    ],
  );
  await close('2026-09');
  // 199 more for July; 199 back, and 200 for August, which is more.
  expect(await totals()).toEqual({ '2026-07': '2.00', '2026-08': '199.00', '2026-09': '1.00' });
});
