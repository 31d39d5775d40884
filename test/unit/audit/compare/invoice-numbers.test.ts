import { InvoiceNumbers } from '../../../../src/audit/compare/invoice-numbers';

const invoice = (month: string, number: string | null, more: { id?: string; issuedAt?: string } = {}) => ({
  ...{ id: `acme-${month}`, project: 'acme', month, number, issuedAt: `${month}-28T00:00:00.000Z` },
  ...more,
});

function found(...documents: readonly ReturnType<typeof invoice>[]): string[] {
  const numbers = new InvoiceNumbers();
  for (const document of documents) numbers.set(document.id, document);
  return [...numbers.differences()].map(({ month, field, found }) => `${month} ${field} ${found}`);
}

const note = (month: string, number: string) => invoice(month, number, { id: `acme-${month}-CN` });

test('numbers from 1 on in each series, with dates that go up', () => {
  expect(
    found(
      invoice('2026-08', 'acme-0001'),
      note('2026-08', 'acme-CN0001'),
      invoice('2026-09', 'acme-0002'),
      note('2026-10', 'acme-CN0002'),
    ),
  ).toEqual([]);
});

test.each([
  [
    'given twice',
    [invoice('2026-08', 'acme-0001'), invoice('2026-09', 'acme-0001')],
    '2026-09 number acme-0001',
  ],
  ['a gap', [invoice('2026-08', 'acme-0001'), invoice('2026-09', 'acme-0003')], '2026-09 number acme-0003'],
  ['not from 1 on', [invoice('2026-08', 'acme-0002')], '2026-08 number acme-0002'],
  [
    'credit notes given twice',
    [note('2026-08', 'acme-CN0001'), note('2026-09', 'acme-CN0001')],
    '2026-09 number acme-CN0001',
  ],
  ['of the other series', [invoice('2026-08', 'acme-CN0001')], '2026-08 number acme-CN0001'],
  ["another project's", [invoice('2026-08', 'bolt-0001')], '2026-08 number bolt-0001'],
  ['missing', [invoice('2026-08', null)], '2026-08 number null'],
  [
    'dated before a lower one',
    [invoice('2026-08', 'acme-0002'), invoice('2026-09', 'acme-0001')],
    '2026-08 issuedAt 2026-08-28T00:00:00.000Z',
  ],
])('%s', (_name, documents, expected) => {
  expect(found(...documents)).toContainEqual(expected);
});

test('a document that was withdrawn has no number', () => {
  const numbers = new InvoiceNumbers();
  numbers.set('acme-2026-08', invoice('2026-08', 'acme-0007'));
  numbers.set('acme-2026-08', null);
  expect([...numbers.differences()]).toEqual([]);
});
