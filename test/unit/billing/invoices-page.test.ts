import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildInvoice } from '../../../src/billing/invoice/build-invoice';
import { meterNames, meterRow } from '../../../src/rating/meters';
import { builtInCatalog } from '../../kit/built-in-catalog';

const page = readFileSync(join(__dirname, '../../../docs/invoices.md'), 'utf8');

/** The rows of the table on the page that begins with this name of a column. */
function tableOf(firstColumn: string): string[][] {
  const lines = page.split('\n');
  const start = lines.findIndex((line) => line.startsWith(`| ${firstColumn} |`)) + 2;
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  return lines.slice(start, start + length).map((line) =>
    line
      .split('|')
      .slice(1, -1)
      .map((cell) => cell.trim().replaceAll('`', '')),
  );
}

test('the worked example is what the invoice builder makes of its totals', () => {
  const { invoice, status } = buildInvoice({
    project: 'acme',
    plans: [{ plan: 'ship', from: '2026-01-01' }],
    profile: { taxes: [{ from: '2026-01-01', name: 'VAT', rate: '0.21' }] },
    credits: [{ month: '2026-07', description: 'Goodwill for the outage of 3 July', amount: '12.00' }],
    month: '2026-07',
    periodStart: '2026-07-01T00:00:00.000Z',
    periodEnd: '2026-08-01T00:00:00.000Z',
    totals: new Map(tableOf('total').map(([key, quantity]) => [key!, BigInt(quantity!)])),
    history: new Map([['2026-06', { totals: new Map([['agent.session', 4_900n * 60n]]) }]]),
    catalog: builtInCatalog,
    number: 'acme-0007',
    issuedAt: '2026-08-01T01:00:00.000Z',
  });
  expect(status).toBe('issued');
  const example = page.slice(page.indexOf('The invoice of July'));
  const rows = invoice.lines.map((line) =>
    [
      line.kind,
      line.description,
      line.quantity,
      line.included,
      line.billable,
      line.unit,
      line.unitPrice,
      line.per,
      line.amount,
    ].join(' | '),
  );
  const shown = example.split('\n').filter((line) => /^\| (plan|usage|late|credit|tax) \|/.test(line));
  expect(shown).toEqual(rows.map((row) => `| ${row} |`));
  expect(tableOf('subtotal')).toEqual([[invoice.subtotal, invoice.credits, invoice.tax, invoice.total]]);
});

test('the page lists all that a catalog must hold, and the meters that may lack a price', () => {
  const { required } = JSON.parse(readFileSync('schemas/catalog.v1.json', 'utf8')) as { required: string[] };
  const rows = tableOf('field').map(([field, text]) => [field!.split(', '), text!] as const);
  expect(rows.flatMap(([fields]) => fields).sort()).toEqual(required.sort());
  const [, rates] = rows.find(([fields]) => fields.includes('rates'))!;
  const lacking = meterNames.filter((meter) => meterRow(meter)!.mayLackPrice === true);
  expect(lacking.filter((meter) => !rates.includes(meter.replace(/connector\..*/, 'connector.*')))).toEqual(
    [],
  );
  expect(rates.match(/agent\.\w+|session\.[\w.*]+/g)).toHaveLength(2);
});
