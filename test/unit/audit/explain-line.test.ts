import { subjectOf } from '../../../src/audit/explain-line';
import type { Invoice, InvoiceLine } from '../../../src/billing/invoice/invoice';

const line = (fields: Partial<InvoiceLine>): InvoiceLine => ({
  ...{ kind: 'usage', meter: 'inference.llm.input', model: 'mini', description: 'mini', unit: 'token' },
  ...{ quantity: '7', included: '0', billable: '7', unitPrice: '1', per: '1', amount: '7' },
  ...fields,
});
const late = line({ kind: 'late', period: '2026-10' });
const inTime = line({});
const invoice = { project: 'acme', month: '2026-11', lines: [inTime, late] } as unknown as Invoice;
/** From November on, `mini-latest` is another name of `mini`. */
const aliasesIn = (month: string): ReadonlyMap<string, string> =>
  new Map(month < '2026-11' ? [] : [['mini-latest', 'mini']]);

test('a line counts the events under the aliases of the month that the usage is of', () => {
  expect(subjectOf(invoice, inTime, aliasesIn)).toMatchObject({
    origin: '2026-11',
    names: new Set(['inference.llm.input/mini', 'inference.llm.input/mini-latest']),
  });
  expect(subjectOf(invoice, late, aliasesIn)).toMatchObject({
    origin: '2026-10',
    names: new Set(['inference.llm.input/mini']),
  });
});
