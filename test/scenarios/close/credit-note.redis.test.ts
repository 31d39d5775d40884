import type { Invoice } from '../../../src/billing/invoice/invoice';
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
import { builtInCatalog } from '../../kit/built-in-catalog';
import { testRedisUrl, uniquePrefix } from '../../kit/services';

let store: Store;
beforeEach(async () => {
  store = await openStore({ url: testRedisUrl(), prefix: uniquePrefix() });
  await writeShardCount(store, 1);
  await writeProject(store, { project: 'p', plans: [{ plan: 'ship', from: '2026-06-01' }] });
  const part = { shard: 0, project: 'p', part: 0, daily: [] };
  // 15,000 minutes over the quota; 10,000 of them taken back in July: 100.00, and the fee of July
  // is 50.00.
  await writeFrozenPart(store, { ...part, month: '2026-06', totals: [['agent.session', '1200000']] });
  await writeFrozenPart(store, { ...part, month: '2026-07', totals: [['2026-06@agent.session', '-600000']] });
  await close(0, builtInCatalog, '2026-06');
});
afterEach(() => store.close());

/** One run of a close; killed instead of publishing for the `killedAt`th time. */
async function close(
  killedAt: number,
  catalog: Catalog = builtInCatalog,
  month = '2026-07',
): Promise<InvoiceReport | 'killed'> {
  let published = 0;
  const killed = new Error('killed');
  const publish = async (_topic: string, records: readonly PublishRecord[]): Promise<void> => {
    if ((published += 1) === killedAt) throw killed;
    await writeInvoices(
      store,
      records.map(({ key, value }) => ({ ...parseInvoiceId(String(key))!, json: String(value) })),
    );
  };
  return issueInvoices({
    ...{ store, catalog, calendar: createBillingCalendar('UTC') },
    ...{ month, issuedAt: '2026-08-01T01:00:00.000Z' },
    progress: { update: () => undefined, end: () => undefined },
    ledger: {
      publisher: { publish, close: () => Promise.resolve() },
      topic: 'billing.invoices',
      mayPublish: () => Promise.resolve(),
    },
  }).catch((error: unknown) => {
    if (error === killed) return 'killed' as const;
    throw error;
  });
}

const documents = (): Promise<Record<string, string>> => store.redis.hgetall(store.keys.invoices('p'));

test('a month with its own charges has both: the invoice, and the credit note of what it cannot take', async () => {
  expect(await close(0)).toMatchObject({
    ...{ issued: 1, nothingDue: 0, totalMinor: 5_000n },
    creditNotes: { issued: 1, totalMinor: -10_000n },
    late: { lines: 1, totalMinor: -10_000n },
  });
  const found = await documents();
  expect(JSON.parse(found['2026-07']!)).toMatchObject({ number: 'p-0002', total: '50.00' });
  expect(JSON.parse(found['2026-07-CN']!)).toMatchObject({
    ...{ id: 'p-2026-07-CN', kind: 'credit_note', number: 'p-CN0001', total: '-100.00' },
    corrects: [{ month: '2026-06', invoice: 'p-0001' }],
  });
});

test.each([1, 2])(
  'killed before publishing number %i and run again it ends with the same bytes',
  async (at) => {
    await close(0);
    const expected = await documents();
    await store.redis.hdel(store.keys.invoices('p'), '2026-07', '2026-07-CN');
    expect(await close(at)).toBe('killed');
    expect(Object.keys(await documents()).length).toBe(at); // June's, and what was published before.
    expect(await close(0)).toMatchObject({ issued: 1, creditNotes: { issued: 2 - at } });
    expect(await documents()).toEqual(expected);
    expect(await close(0)).toMatchObject({ issued: 0, alreadyIssued: 1, creditNotes: { issued: 0 } });
    expect(await documents()).toEqual(expected);
  },
);

test('what a credit note has settled is not set against the invoice too, were prices changed in between', async () => {
  expect(await close(2)).toBe('killed'); // The credit note is out, the invoice is not.
  const ship = builtInCatalog.plans.get('ship')!.map((row) => ({ ...row, fee: '200' }));
  const dearer = { ...builtInCatalog, plans: new Map([...builtInCatalog.plans, ['ship', ship]]) } as Catalog;
  await close(0, dearer);
  const invoice = JSON.parse((await documents())['2026-07']!) as Invoice;
  expect(invoice).toMatchObject({ total: '200.00', lines: [{ kind: 'plan' }] });
});
