import { readFileSync } from 'node:fs';
import { subjectOf } from '../../../src/audit/explain-line';
import { buildCatalog } from '../../../src/billing/catalog/build-catalog';
import type { CatalogDocument } from '../../../src/billing/catalog/catalog';
import { buildInvoice } from '../../../src/billing/invoice/build-invoice';
import type { Invoice } from '../../../src/billing/invoice/invoice';
import { invoiceCsv } from '../../../src/billing/invoice/invoice-csv';
import { lineGroups } from '../../../src/pdf/line-groups';
import type * as MeterTable from '../../../src/rating/meter-table';
import { meterKey, type Meter } from '../../../src/rating/meters';
import { rate } from '../../../src/rating/rate';
import { roundingTable } from '../../../src/rating/rounding';
import type { MonthView } from '../../../src/web/pages/month-view';
import { usageChart } from '../../../src/web/pages/billing/usage-chart';

jest.mock('../../../src/rating/meter-table', () => {
  const table = jest.requireActual<typeof MeterTable>('../../../src/rating/meter-table');
  const captions: MeterTable.MeterRow = {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Live captions',
    group: 'Realtime',
  };
  return { ...table, METERS: { ...table.METERS, 'session.captions': captions } };
});

const document = JSON.parse(
  readFileSync('src/billing/catalog/livekit-cloud.json', 'utf8'),
) as CatalogDocument;

/** A meter that only the row above and a price in the catalog know of. */
const CAPTIONS = 'session.captions' as Meter;

function invoiceOf(rates: CatalogDocument['rates'], quantity: bigint): Invoice {
  const answer = buildCatalog({ ...document, rates });
  if (!answer.ok) throw new Error(answer.problems.join('\n'));
  const { status, invoice } = buildInvoice({
    ...{ project: 'acme', plans: [{ plan: 'ship', from: '2026-01-01' }], month: '2026-07' },
    totals: new Map([
      ['session.webrtc', 60n],
      [meterKey(CAPTIONS), quantity],
    ]),
    catalog: answer.catalog,
    ...{ number: 'acme-0001', periodStart: '', periodEnd: '', issuedAt: '2026-08-01T00:00:00Z' },
  });
  expect(status).toBe('issued');
  return invoice;
}

test('a meter that is added to the table is rated, priced, and shown everywhere by its row alone', () => {
  const [rated] = rate(
    [{ meter: CAPTIONS, used: { seconds: 61, nanos: 0 } }],
    { seconds: 0, nanos: 0 },
    roundingTable('per-minute'),
  );
  expect(rated).toEqual({ meter: CAPTIONS, quantity: '120' });

  const price = { meter: CAPTIONS, from: '2026-01-01', price: '0.25' };
  const invoice = invoiceOf([...document.rates, price], BigInt(rated!.quantity));
  // In the order of the table: the new meter is its last row.
  const [, line] = invoice.lines.filter(({ kind }) => kind === 'usage');
  expect(line).toMatchObject({
    ...{ meter: CAPTIONS, description: 'Live captions', unit: 'minute' },
    ...{ quantity: '2', billable: '2', unitPrice: '0.25', amount: '0.50' },
  });

  expect(lineGroups(invoice.lines).find(({ lines }) => lines.includes(line!))?.title).toBe('Realtime');
  expect(invoiceCsv(invoice)).toContain(',session.captions,,Live captions,minute,2,');
  expect(subjectOf(invoice, line!, () => new Map())).toMatchObject({ key: CAPTIONS, quantity: 120n });
  const totals = new Map([[CAPTIONS, 120n]]);
  const input = { totals, daily: new Map([[`2026-07-01/${CAPTIONS}`, 120n]]), catalog: { minorDigits: 2 } };
  const view = { month: '2026-07', input, invoice, pricingPeriods: [], quotas: [] } as unknown as MonthView;
  const { text } = usageChart(view, CAPTIONS, '');
  expect(text).toContain('Live captions by day, in minutes');
  expect(text).toContain('<title>1 July: 2 minutes</title');
});

test('a catalog without a price for it is refused', () => {
  expect(buildCatalog(document)).toMatchObject({
    ok: false,
    problems: [expect.stringContaining(CAPTIONS)],
  });
});
