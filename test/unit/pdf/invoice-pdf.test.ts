import { execFileSync } from 'node:child_process';
import type { Invoice } from '../../../src/billing/invoice/invoice';
import { renderInvoicePdf } from '../../../src/pdf/invoice-pdf';
import { groupDigits } from '../../../src/lib/text/number-text';
import { needTestProgram } from '../../kit/servers/need-program';
import { longInvoice, workedInvoice } from '../../kit/sample-invoices';

beforeAll(async () => {
  await needTestProgram({ command: 'pdftotext', versionArgument: '-v', debianPackage: 'poppler-utils' });
});

/**
 * `layout` keeps rows together, `raw` the order in which things were written: a description is in
 * one piece there.
 */
const textOf = (pdf: Buffer, mode: 'layout' | 'raw' = 'layout'): string =>
  execFileSync('pdftotext', [`-${mode}`, '-', '-'], { input: pdf, encoding: 'utf8' });

/** Without white space: where a line is broken on the page is not the matter here. */
const packed = (text: string): string => text.replace(/\s/g, '');

test('every line and the total stand on the page', async () => {
  const invoice = workedInvoice();
  const pdf = await renderInvoicePdf(invoice);
  const text = textOf(pdf);
  for (const { description, quantity, included, billable, amount } of invoice.lines) {
    expect(packed(textOf(pdf, 'raw'))).toContain(packed(description));
    for (const number of [quantity, included, billable, amount!]) expect(text).toContain(groupDigits(number));
  }
  expect(text).toMatch(/Total\s+USD 153\.19/);
  expect(text).toMatch(/Subtotal\s+141\.52\s+Credits\s+-17\.00\s+Tax\s+28\.67/);
  for (const word of ['acme-0007', '2026-07-01', '2026-07-31', 'Acme Voice GmbH', 'Tax ID IE1234567T']) {
    expect(text).toContain(word);
  }
  expect(text).toContain('Please pay within 30 days');
  expect(text).toContain('Page 1 of 1');
});

test('a credit note says so, and what it corrects', async () => {
  const [line] = workedInvoice().lines;
  const text = textOf(
    await renderInvoicePdf({
      ...{ ...workedInvoice(), id: 'acme-2026-07-CN', kind: 'credit_note', number: 'acme-CN0001' },
      corrects: [{ month: '2026-05' }, { month: '2026-06', invoice: 'acme-0006' }],
      lines: [{ ...line!, kind: 'late', period: '2026-06', amount: '-9.00' }],
      ...{ subtotal: '-9.00', credits: '0.00', tax: '-1.89', total: '-10.89' },
    }),
  );
  expect(text).toMatch(/^.*Credit note\n/);
  expect(text).toMatch(/Total credited\s+USD -10\.89/);
  expect(text).toMatch(/Corrects\s+2026-05, 2026-06/);
  expect(packed(text)).toContain('(invoiceacme-0006)');
  expect(text).toContain('Credit note acme-CN0001');
});

interface Box {
  readonly text: string;
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Every word of the first page, with the rectangle that it takes up. */
function wordsOf(pdf: Buffer): Box[] {
  const page = execFileSync('pdftotext', ['-bbox', '-l', '1', '-', '-'], { input: pdf, encoding: 'utf8' });
  const word = /<word xMin="([\d.]+)" yMin="([\d.]+)" xMax="([\d.]+)" yMax="([\d.]+)">(.*?)<\/word>/g;
  return [...page.matchAll(word)].map(([, left, top, right, bottom, text]) => ({
    text: text!,
    ...{ left: Number(left), top: Number(top), right: Number(right), bottom: Number(bottom) },
  }));
}

test.each([
  ['Invoice', {}],
  ['Credit note', { kind: 'credit_note', corrects: [{ month: '2026-06', invoice: 'acme-0006' }] }],
  ['Draft invoice', { number: null }],
] as const)('nothing is printed over "%s", with a seller and without one', async (heading, change) => {
  const { seller, ...bare } = { ...workedInvoice(), ...change };
  const longName = { name: `${'A Company of Many Words '.repeat(4)}Ltd` };
  for (const invoice of [bare, { ...bare, seller: seller! }, { ...bare, seller: longName }]) {
    const words = wordsOf(await renderInvoicePdf(invoice));
    const top = words.filter(({ bottom, top: at }) => bottom - at > 25); // No other text is as large.
    expect(top.map(({ text }) => text).join(' ')).toBe(heading);
    const covered = words.filter(
      (word) =>
        !top.includes(word) &&
        top.some(
          ({ left, right, top: high, bottom: low }) =>
            word.left < right && word.right > left && word.top < low && word.bottom > high,
        ),
    );
    expect(covered).toEqual([]);
  }
});

test('each amount stands in the row of its line', async () => {
  const text = textOf(await renderInvoicePdf(workedInvoice()));
  expect(text).toMatch(/Agent sessions\s+6,200\s+5,000\s+1,200\s+0\.01 \/ minute\s+12\.00/);
  expect(text).toMatch(
    /LLM input, openai\/gpt-4\.1-mini\s+40,000,000\s+0\s+40,000,000\s+0\.40 \/ 1M tokens\s+16\.00/,
  );
});

test('the same invoice gives the same bytes', async () => {
  const first = await renderInvoicePdf(workedInvoice());
  expect((await renderInvoicePdf(workedInvoice())).equals(first)).toBe(true);
});

test('200 lines with long and odd names go over pages, each once', async () => {
  const invoice = longInvoice(200);
  const text = textOf(await renderInvoicePdf(invoice));
  const pages = Number(/Page 1 of (\d+)/.exec(text)?.[1]);
  expect(pages).toBeGreaterThan(3);
  expect(text.match(/Amount USD/g)).toHaveLength(pages);
  for (let at = 1; at < 200; at += 1) expect(text.split(` ${at}.40\n`)).toHaveLength(2);
  expect(text).toContain('9,223,372,036,854,775,807');
});

test.each([
  ['Han', '上海计费科技有限公司'],
  ['kana', '東京テスト株式会社'],
  ['hangul', '주식회사 테스트'],
  ['Cyrillic', 'Общество «Пример»'],
  ['Greek', 'Εταιρεία Παράδειγμα'],
  ['Thai', 'บริษัท ทดสอบ'],
  ['Vietnamese', 'Công ty Kiểm thử'],
])('a name in %s is legible', async (_script, name) => {
  const text = textOf(await renderInvoicePdf({ ...workedInvoice(), buyer: { name } }));
  expect(packed(text)).toContain(packed(name));
});

test.each([
  ['Hebrew', 'שלום עולם'],
  ['Arabic', 'شركة الفوترة'],
])('a name in %s keeps its words', async (_script, name) => {
  const text = textOf(await renderInvoicePdf({ ...workedInvoice(), buyer: { name } }));
  for (const word of name.split(' ')) expect(text.normalize('NFKC')).toContain(word);
});

test('a draft says that it is one', async () => {
  const draft: Invoice = {
    ...workedInvoice(),
    number: null,
    lines: workedInvoice().lines.map((line) => ({ ...line, unitPrice: null, amount: null })),
  };
  const text = textOf(await renderInvoicePdf(draft));
  expect(text).toContain('Draft invoice');
  expect(text).toContain('no price');
});

test('without seller or profile it still stands', async () => {
  const { seller: _seller, buyer: _buyer, ...bare } = workedInvoice();
  expect(textOf(await renderInvoicePdf(bare))).toMatch(/Billed to[\s\S]*acme/);
});
