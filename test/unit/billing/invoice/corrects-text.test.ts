import { correctsText } from '../../../../src/billing/invoice/invoice';
import { monthName } from '../../../../src/web/pages/number-text';

const corrects = [{ month: '2025-12' }, { month: '2026-01', invoice: 'acme-0001' }];

test.each([
  ['as in files', undefined, '2025-12, 2026-01 (invoice acme-0001)'],
  ['as on pages', monthName, 'December 2025, January 2026 (invoice acme-0001)'],
])('what a credit note corrects, also of a month that had no invoice, %s', (_how, nameOf, text) => {
  expect(correctsText(corrects, nameOf)).toBe(text);
});
