import type { Invoice, InvoiceLine } from '../billing/invoice/invoice';
import { groupDigits, unitPriceText } from '../lib/text/number-text';
import { lineGroups, type LineGroup } from './line-groups';
import { COLOURS, PAGE } from './page';
import type { TextStyle, Typesetter } from './typesetter';

interface Column {
  readonly title: string;
  /** The column's right edge. */
  readonly right: number;
  readonly width: number;
  readonly of: (line: InvoiceLine, invoice: Invoice) => string;
}

const { left, right } = PAGE;
const SIZE_PT = 8;
const LEADING_PT = 10.8;
const ROW_GAP_PT = 3.4;
const DESCRIPTION_WIDTH = 168;

const NUMBERS: readonly Column[] = [
  { title: 'Quantity', right: left + 236, width: 64, of: ({ quantity }) => groupDigits(quantity) },
  { title: 'Included', right: left + 292, width: 52, of: ({ included }) => groupDigits(included) },
  { title: 'Billable', right: left + 352, width: 56, of: ({ billable }) => groupDigits(billable) },
  { title: 'Rate', right: left + 440, width: 84, of: rateOf },
  {
    title: 'Amount',
    right,
    width: 54,
    of: ({ amount }) => (amount === null ? 'no price' : groupDigits(amount)),
  },
];

/**
 * Draws the lines under their headings, on as many pages as needed, with the column titles on each
 * page.
 *
 * @returns where they end
 */
export function drawLines(doc: PDFKit.PDFDocument, type: Typesetter, invoice: Invoice, top: number): number {
  let y = drawTitles(doc, type, top, invoice.currency);
  const makeRoom = (height: number): void => {
    if (y + height <= PAGE.bottom) return;
    doc.addPage();
    y = drawTitles(doc, type, PAGE.top, invoice.currency);
  };
  for (const group of lineGroups(invoice.lines)) {
    const rows = group.lines.map((line) =>
      type.wrap(described(line), DESCRIPTION_WIDTH, { sizePt: SIZE_PT }),
    );
    makeRoom(17 + rowHeight(rows[0]!)); // A heading is never alone at the end of a page.
    y = drawHeading(type, group, y);
    group.lines.forEach((line, at) => {
      makeRoom(rowHeight(rows[at]!));
      y = drawRow(doc, type, { line, invoice, description: rows[at]! }, y);
    });
  }
  return y;
}

function drawTitles(doc: PDFKit.PDFDocument, type: Typesetter, y: number, currency: string): number {
  const style = { sizePt: 8, colour: COLOURS.quiet };
  type.draw('Description', left, y, style);
  for (const { title, right: end } of NUMBERS) {
    type.draw(title === 'Amount' ? `Amount ${currency}` : title, end, y, style, 'right');
  }
  rule(doc, y + 13, COLOURS.ink);
  return y + 18;
}

function drawHeading(type: Typesetter, { title }: LineGroup, y: number): number {
  type.draw(title, left, y + 3, { weight: 'bold', sizePt: 8.5 });
  return y + 17;
}

function drawRow(
  doc: PDFKit.PDFDocument,
  type: Typesetter,
  row: { readonly line: InvoiceLine; readonly invoice: Invoice; readonly description: readonly string[] },
  y: number,
): number {
  const { line, invoice, description } = row;
  description.forEach((text, at) => type.draw(text, left, y + at * LEADING_PT, { sizePt: SIZE_PT }));
  for (const column of NUMBERS) {
    const text = column.of(line, invoice);
    type.draw(text, column.right, y, fitting(type, text, column.width), 'right');
  }
  const end = y + rowHeight(description);
  rule(doc, end - 2.5, COLOURS.rule);
  return end + 1;
}

const rowHeight = (description: readonly string[]): number => description.length * LEADING_PT + ROW_GAP_PT;

/** A number is never broken. If it is too long for its column, it is set smaller. */
function fitting(type: Typesetter, text: string, width: number): TextStyle {
  const natural = type.widthOf(text, { sizePt: SIZE_PT });
  return { sizePt: natural <= width ? SIZE_PT : (SIZE_PT * width) / natural };
}

function described({ description, period }: InvoiceLine): string {
  return period === undefined || description.includes(period)
    ? description
    : `${description} (${period.replace('/', ' \u2013 ')})`;
}

function rateOf({ unitPrice, per, unit, kind }: InvoiceLine, { total }: Invoice): string {
  if (unitPrice === null) return 'no price';
  if (kind === 'credit' || kind === 'tax') return ''; // Their description contains the rest.
  return unitPriceText(unitPrice, per, unit, total);
}

function rule(doc: PDFKit.PDFDocument, y: number, colour: string): void {
  doc.moveTo(left, y).lineTo(right, y).lineWidth(0.5).strokeColor(colour).stroke();
}
