import { buildInvoice, type InvoiceOutcome } from '../../../../src/billing/invoice/build-invoice';
import type { PhoneNumbers, PlanEntry } from '../../../../src/billing/project/project';
import { builtInCatalog } from '../../../kit/built-in-catalog';

const ship: PlanEntry = { plan: 'ship', from: '2026-01-01' };

function invoiceOf(
  phoneNumbers: readonly PhoneNumbers[],
  plans = [ship],
  catalog = builtInCatalog,
): InvoiceOutcome {
  return buildInvoice({
    ...{ project: 'p', month: '2026-07', plans, catalog, profile: { name: 'P', phoneNumbers } },
    totals: new Map(),
    ...{ number: 'p-0001', periodStart: '', periodEnd: '', issuedAt: '' },
  });
}

/**
 * The lines of the numbers: description, period, unit, quantity, included, billable, price, per,
 * amount.
 */
const linesOf = ({ invoice }: InvoiceOutcome): (string | null | undefined)[][] =>
  invoice.lines
    .filter(({ description }) => description.includes('phone numbers'))
    .map((line) => [
      ...[line.description, line.period, line.unit, line.quantity, line.included],
      ...[line.billable, line.unitPrice, line.per, line.amount],
    ]);

test('numbers rented all month: one local number is included, and none toll-free', () => {
  const outcome = invoiceOf([{ from: '2026-03-05', usLocal: 3, usTollFree: 2 }]);
  expect(linesOf(outcome)).toEqual([
    ['US local phone numbers', undefined, 'month', '3', '1', '2', '1', '1', '2.00'],
    ['US toll-free phone numbers', undefined, 'month', '2', '0', '2', '2', '1', '4.00'],
  ]);
  expect(outcome.invoice).toMatchObject({ subtotal: '56.00', total: '56.00', buyer: { name: 'P' } });
  expect(outcome.invoice.buyer).toEqual({ name: 'P' });
});

test('numbers rented or given back within the month are charged by days', () => {
  const outcome = invoiceOf([
    { from: '2026-01-01', usLocal: 1 },
    { from: '2026-07-11', usLocal: 4 },
    { from: '2026-07-21', usLocal: 4, usTollFree: 1 },
  ]);
  expect(linesOf(outcome)).toEqual([
    ['US local phone numbers', '2026-07-01/2026-07-10', 'day', '10', '10', '0', '0', '1', '0.00'],
    ['US local phone numbers', '2026-07-11/2026-07-31', 'day', '84', '21', '63', '1', '31', '2.03'],
    ['US toll-free phone numbers', '2026-07-21/2026-07-31', 'day', '11', '0', '11', '2', '31', '0.71'],
  ]);
});

test('a plan that blocks at its quota charges nothing beyond it, and reports it', () => {
  const outcome = invoiceOf([{ from: '2026-01-01', usLocal: 2 }], [{ plan: 'build', from: '2026-01-01' }]);
  expect(outcome).toMatchObject({
    status: 'nothing_due',
    overQuota: [{ month: '2026-07', name: 'US local phone numbers', unit: 'month', over: '1' }],
  });
});

test('a project without numbers has no line of them', () => {
  const none = invoiceOf([]);
  expect(linesOf(none)).toEqual([]);
  expect(linesOf(invoiceOf([{ from: '2026-08-01', usLocal: 5 }]))).toEqual([]);
});

test('a catalog without a price for a number holds the invoice', () => {
  const outcome = invoiceOf([{ from: '2026-01-01', usTollFree: 1 }], [ship], {
    ...builtInCatalog,
    phoneNumbers: new Map(),
  });
  expect(outcome).toMatchObject({ status: 'draft', unpricedModels: ['phoneNumbers.usTollFree'] });
});

test('what was agreed for the project alone replaces the price and the free numbers of its plan', () => {
  const phoneNumbers = [
    { kind: 'usLocal', price: '0.80', included: 2 },
    { kind: 'usTollFree', price: '1.50' },
  ] as const;
  const outcome = invoiceOf(
    [{ from: '2026-01-01', usLocal: 5, usTollFree: 1 }],
    [{ ...ship, overrides: { phoneNumbers } }],
  );
  expect(linesOf(outcome)).toEqual([
    ['US local phone numbers', undefined, 'month', '5', '2', '3', '0.8', '1', '2.40'],
    ['US toll-free phone numbers', undefined, 'month', '1', '0', '1', '1.5', '1', '1.50'],
  ]);
});

test('an agreement that changes nothing for the project splits neither the fee nor its numbers', () => {
  const agreed = { phoneNumbers: [{ kind: 'usLocal', price: '1', included: 1 }] } as const;
  const outcome = invoiceOf(
    [{ from: '2026-01-01', usLocal: 3 }],
    [ship, { plan: 'ship', from: '2026-07-11', overrides: agreed }],
  );
  expect(outcome.invoice.lines.map(({ description, amount }) => [description, amount])).toEqual([
    ['Ship plan', '50.00'],
    ['US local phone numbers', '2.00'],
  ]);
});

test('an agreement within the month is charged from its day on', () => {
  const agreed = { phoneNumbers: [{ kind: 'usLocal', included: 3 }] } as const;
  const outcome = invoiceOf(
    [{ from: '2026-01-01', usLocal: 3 }],
    [ship, { plan: 'ship', from: '2026-07-11', overrides: agreed }],
  );
  expect(linesOf(outcome)).toEqual([
    ['US local phone numbers', '2026-07-01/2026-07-10', 'day', '30', '10', '20', '1', '31', '0.65'],
    ['US local phone numbers', '2026-07-11/2026-07-31', 'day', '63', '63', '0', '0', '1', '0.00'],
  ]);
});
