import { invoiceCsv } from '../../../../src/billing/invoice/invoice-csv';
import type { Invoice, InvoiceLine } from '../../../../src/billing/invoice/invoice';

const line: InvoiceLine = {
  kind: 'usage',
  meter: 'inference.stt',
  model: 'a/b',
  description: 'Speech-to-text, a/b',
  unit: 'second',
  quantity: '61',
  included: '0',
  billable: '61',
  unitPrice: '0.0058',
  per: '60',
  amount: '0.01',
};

const invoice = (lines: InvoiceLine[]): Invoice => ({
  id: 'p-2026-07',
  number: null,
  project: 'p',
  plan: 'ship',
  month: '2026-07',
  currency: 'USD',
  issuedAt: '',
  periodStart: '',
  periodEnd: '',
  lines,
  subtotal: '0.01',
  credits: '0.00',
  tax: '0.00',
  total: '0.01',
});

const names =
  'invoice,kind,period,meter,model,description,unit,quantity,included,billable,unitPrice,per,amount,currency';

test('names, then a row for each line, each ended by CRLF', () => {
  expect(invoiceCsv(invoice([line, { ...line, kind: 'late', period: '2026-05', amount: '-0.01' }]))).toBe(
    `${names}\r\n` +
      'p-2026-07,usage,2026-07,inference.stt,a/b,"Speech-to-text, a/b",second,61,0,61,0.0058,60,0.01,USD\r\n' +
      'p-2026-07,late,2026-05,inference.stt,a/b,"Speech-to-text, a/b",second,61,0,61,0.0058,60,-0.01,USD\r\n',
  );
});

test('quotes, commas and line ends stay in their field; a missing price is an empty one', () => {
  const odd = { ...line, model: 'a"b\nc', description: 'x', unitPrice: null, amount: null };
  expect(invoiceCsv(invoice([odd])).split('\r\n')[1]).toBe(
    'p-2026-07,usage,2026-07,inference.stt,"a""b\nc",x,second,61,0,61,,60,,USD',
  );
});

test.each(['=HYPERLINK(1)', '+1', '-1', '@sum'])(
  'a model named %s is not a formula to a spreadsheet',
  (model) => {
    expect(invoiceCsv(invoice([{ ...line, model }]))).toContain(`,'${model},`);
  },
);
