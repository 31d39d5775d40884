import { buildInvoice, type InvoiceOutcome } from '../../../src/billing/invoice/build-invoice';
import type { Catalog } from '../../../src/billing/catalog/catalog';
import type { Overrides } from '../../../src/billing/project/project';
import { builtInCatalog } from '../../kit/built-in-catalog';

const MODEL = 'inference.llm.input/gpt-5-minni';
const used = new Map([['2026-10', { totals: new Map([[MODEL, 100_000_000n]]) }]]);

/** Somebody adds a price. */
const priced: Catalog = {
  ...builtInCatalog,
  rates: new Map([
    ...builtInCatalog.rates,
    [MODEL, [{ ...builtInCatalog.rates.get('inference.llm.input/openai/gpt-5')![0]!, from: '2024-01-01' }]],
  ]),
};

function close(
  month: string,
  catalog: Catalog,
  taken = 100_000_000n,
  overrides: Overrides = { fee: '0', inferenceCredits: '0' },
): InvoiceOutcome {
  return buildInvoice({
    ...{ project: 'acme', plans: [{ plan: 'ship', from: '2026-10-01', overrides }], catalog, month },
    ...{ number: 'acme-0001', creditNoteNumber: 'acme-CN0001', periodStart: '', periodEnd: '', issuedAt: '' },
    totals: month === '2026-10' ? used.get(month)!.totals : new Map([[`2026-10@${MODEL}`, -taken]]),
    history: used,
  });
}

test('while the price is unknown, what its void gives back is unknown', () => {
  expect(close('2026-10', builtInCatalog)).toMatchObject({ status: 'draft', unpricedModels: [MODEL] });
  const november = close('2026-11', builtInCatalog);
  expect(november).toMatchObject({
    ...{ status: 'draft', unpricedModels: [MODEL], invoice: { number: null } },
    problems: [
      { project: 'acme', code: 'NO_PRICE', detail: `The catalog has no price for ${MODEL} in 2026-10.` },
    ],
  });
  expect(november.invoice.lines.filter(({ kind }) => kind === 'late')).toMatchObject([
    { quantity: '-100000000', unitPrice: null, amount: null },
  ]);
});

test('nor is it known where the rest of the usage is included and costs nothing', () => {
  const allowances = [{ name: 'Tokens', meters: ['inference.llm.input'], included: '50000000' }];
  const { status, invoice } = close('2026-11', builtInCatalog, 60_000_000n, { fee: '0', allowances });
  expect(status).toBe('draft');
  expect(invoice.lines.filter(({ kind }) => kind === 'late')).toMatchObject([
    { quantity: '-60000000', unitPrice: null, amount: null },
  ]);
});

test('with the price both documents come to nothing together', () => {
  const october = close('2026-10', priced);
  const november = close('2026-11', priced);
  expect(october).toMatchObject({ status: 'issued', invoice: { total: '125.00' } });
  expect(november).toMatchObject({
    ...{ status: 'nothing_due', problems: [] },
    creditNote: { number: 'acme-CN0001', total: '-125.00' },
  });
});
