import { buildInvoice, type InvoiceInput } from '../../../../src/billing/invoice/build-invoice';
import { repricedLine } from '../../../../src/billing/invoice/price-late-usage';
import { builtInCatalog } from '../../../kit/built-in-catalog';

const june = { totals: new Map([['agent.session', 1_200_000n]]) };
const july = { totals: new Map([['2026-06@agent.session', -600_000n]]) };
const input: InvoiceInput = {
  ...{ project: 'p', plans: [{ plan: 'ship', from: '2026-06-01' }], catalog: builtInCatalog },
  ...{ month: '2026-06', ...june, number: 'p-0001' },
  ...{ issuedAt: '2026-07-01T00:00:00Z', periodStart: '', periodEnd: '' },
};
const { invoice } = buildInvoice(input);
const inJuly: InvoiceInput = { ...input, month: '2026-07', ...july, history: new Map([['2026-06', june]]) };

/** The built-in catalog with other rows of the plan. */
function withFee(fee: string, name = 'Ship plan'): typeof builtInCatalog {
  const ship = builtInCatalog.plans.get('ship')!.map((row) => ({ ...row, fee, name }));
  return { ...builtInCatalog, plans: new Map([...builtInCatalog.plans, ['ship', ship]]) };
}

test('a month whose prices are as they were has no such line, whatever its plan is called', () => {
  expect(repricedLine(inJuly, '2026-06', invoice)).toBeUndefined();
  expect(repricedLine({ ...inJuly, catalog: withFee('50', 'Other') }, '2026-06', invoice)).toBeUndefined();
});

test('another price, a line that is gone and a line that is new are named', () => {
  const named = (fee: string, lines = invoice.lines): string | undefined =>
    repricedLine({ ...inJuly, catalog: withFee(fee) }, '2026-06', { number: 'p-0001', lines });
  expect(named('51')).toMatch(/^Invoice p-0001 of 2026-06 has .* is 50\.00, .* is 51\.00 now\.$/);
  const gone = { ...invoice.lines[0]!, meter: 'agent.events' };
  expect(named('50', [...invoice.lines, gone])).toMatch(
    / is 50\.00, and the catalog gives no such line now\.$/,
  );
  expect(named('50', invoice.lines.slice(1))).toMatch(/ has no such line, .* is 50\.00 now\.$/);
});
