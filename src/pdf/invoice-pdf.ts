import PdfDocument from 'pdfkit';
import { correctsText, titleOf, type Invoice, type Party } from '../billing/invoice/invoice';
import { groupDigits } from '../lib/text/number-text';
import { drawLines } from './invoice-table';
import { PAGE, COLOURS } from './page';
import { createTypesetter, type TextStyle, type Typesetter } from './typesetter';
import { periodOfMonth, type Period } from '../billing/pricing/days';

/**
 * An invoice or a credit note as a PDF (A4): seller, buyer, number, dates, plan, every line under
 * its heading, totals. It depends on the invoice alone, so the same invoice gives the same bytes.
 * The invoice's JSON is attached for programs.
 */
export async function renderInvoicePdf(invoice: Invoice): Promise<Buffer> {
  const doc = new PdfDocument({
    size: [PAGE.width, PAGE.height],
    margin: 0, // This code sets every position, so pdfkit must not begin pages by itself.
    bufferPages: true,
    lang: 'en',
    displayTitle: true,
    pdfVersion: '1.7',
    info: {
      Title: `${headingOf(invoice)} ${invoice.number ?? invoice.id}`,
      Author: invoice.seller?.name ?? 'Tallyman',
      // The time of rendering, pdfkit's default, would make every copy of an invoice a different
      // file.
      CreationDate: new Date(invoice.issuedAt),
      ModDate: new Date(invoice.issuedAt),
    },
  });
  const bytes = collected(doc);
  const type = await createTypesetter(doc, everyTextOf(invoice));

  const y = drawLines(doc, type, invoice, drawHead(doc, type, invoice));
  drawTotals(doc, type, invoice, y);
  drawFeet(doc, type, invoice);
  attachJson(doc, invoice);
  doc.end();
  return bytes;
}

const headingOf = (invoice: Invoice): string =>
  invoice.number === null ? `Draft ${titleOf(invoice).toLowerCase()}` : titleOf(invoice);

/** Text that is not from the invoice is ASCII. */
function everyTextOf(invoice: Invoice): string {
  const ascii = String.fromCharCode(...Array.from({ length: 95 }, (_, at) => 32 + at));
  const words: string[] = [`${ascii}\u2013`];
  const walk = (value: unknown): void => {
    if (typeof value === 'string') words.push(value);
    else if (typeof value === 'object' && value !== null) Object.values(value).forEach(walk);
  };
  walk(invoice);
  return words.join('\n');
}

const NAME_WIDTH = 320;

/** @returns where the lines begin */
function drawHead(doc: PDFKit.PDFDocument, type: Typesetter, invoice: Invoice): number {
  const { left, right, top } = PAGE;
  const { name, ...seller } = invoice.seller ?? {};
  const heading: TextStyle = { weight: 'bold', sizePt: 20, colour: COLOURS.accent };
  type.draw(headingOf(invoice), right, top, heading, 'right');
  const nameEnd = drawText(type, name ?? '', left, top + 4, NAME_WIDTH, { weight: 'bold', sizePt: 14 });
  // Also below the heading, which is alone there if there is no seller.
  const y = Math.max(nameEnd + 14, top + heightOf(heading) + 6);

  const buyer = { ...invoice.buyer, name: invoice.buyer?.name ?? invoice.project };
  const ends = [
    drawParty(type, seller, left, y),
    drawParty(type, buyer, invoice.seller === undefined ? left : left + 175, y, 'Billed to'),
    drawFacts(type, invoice, left + 350, y),
  ];
  const panel = Math.max(...ends) + 12;
  doc
    .roundedRect(left, panel, right - left, 34, 4)
    .fillColor(COLOURS.panel)
    .fill();
  type.draw(totalLabelOf(invoice), left + 12, panel + 10, { sizePt: 10 });
  type.draw(totalOf(invoice), right - 12, panel + 7, { weight: 'bold', sizePt: 15 }, 'right');
  return panel + 48;
}

function totalLabelOf({ kind, number }: Invoice): string {
  if (number === null) return 'Total so far';
  return kind === 'credit_note' ? 'Total credited' : 'Total due';
}

const totalOf = ({ currency, total }: Invoice): string => `${currency} ${groupDigits(total)}`;

/** The height of one line. */
const heightOf = ({ sizePt = 9 }: TextStyle): number => 1.44 * sizePt;

/** @returns where the text ends */
function drawText(
  type: Typesetter,
  text: string,
  x: number,
  top: number,
  width: number,
  style: TextStyle = {},
): number {
  const lines = text === '' ? [] : type.wrap(text, width, style);
  const leading = heightOf(style);
  lines.forEach((line, at) => type.draw(line, x, top + at * leading, style));
  return top + lines.length * leading;
}

function drawParty(type: Typesetter, party: Party, x: number, top: number, heading = ''): number {
  const { name = '', address = [], email = '', taxId } = party;
  const width = 160;
  let y = drawText(type, heading, x, top, width, { colour: COLOURS.quiet });
  y = drawText(type, name, x, y, width, { weight: 'bold' });
  for (const text of [...address, email, taxId === undefined ? '' : `Tax ID ${taxId}`]) {
    y = drawText(type, text, x, y, width);
  }
  return y;
}

function drawFacts(type: Typesetter, invoice: Invoice, x: number, top: number): number {
  const values = x + 44;
  let y = top;
  for (const [label, value] of [
    ['Number', invoice.number ?? 'none yet'],
    ['Issued', invoice.issuedAt.slice(0, 10)],
    ['From', daysOf(invoice).from],
    ['To', daysOf(invoice).to],
    ['Project', invoice.project],
    ['Plan', invoice.plan],
    ...(invoice.corrects ? [['Corrects', correctsText(invoice.corrects)] as const] : []),
  ] as const) {
    type.draw(label, x, y, { colour: COLOURS.quiet });
    const weight = label === 'Number' ? 'bold' : 'regular';
    y = drawText(type, value, values, y, PAGE.right - values, { weight });
  }
  return y;
}

function drawTotals(doc: PDFKit.PDFDocument, type: Typesetter, invoice: Invoice, top: number): void {
  const { left, right, bottom } = PAGE;
  const note = invoice.seller?.note ?? '';
  let y = top + 10;
  if (y + 78 + 13 * type.wrap(note, right - left).length > bottom) {
    doc.addPage();
    y = PAGE.top;
  }
  const labels = right - 190;
  for (const [label, amount] of [
    ['Subtotal', invoice.subtotal],
    ['Credits', invoice.credits],
    ['Tax', invoice.tax],
  ] as const) {
    type.draw(label, labels, y, { colour: COLOURS.quiet });
    type.draw(groupDigits(amount), right, y, {}, 'right');
    y += 15;
  }
  doc.moveTo(labels, y).lineTo(right, y).lineWidth(0.8).strokeColor(COLOURS.ink).stroke();
  y += 7;
  type.draw('Total', labels, y, { weight: 'bold', sizePt: 11 });
  type.draw(totalOf(invoice), right, y, { weight: 'bold', sizePt: 11 }, 'right');
  y += 26;
  drawText(type, note, left, y, right - left, { colour: COLOURS.quiet });
}

/** Called last, when the number of pages is known. */
function drawFeet(doc: PDFKit.PDFDocument, type: Typesetter, invoice: Invoice): void {
  const { start, count } = doc.bufferedPageRange();
  for (let page = 0; page < count; page += 1) {
    doc.switchToPage(start + page);
    const style = { sizePt: 7.5, colour: COLOURS.quiet };
    const id = type.wrap(`${headingOf(invoice)} ${invoice.number ?? invoice.id}`, 380, style)[0]!;
    type.draw(id, PAGE.left, PAGE.foot, style);
    type.draw(`Page ${page + 1} of ${count}`, PAGE.right, PAGE.foot, style, 'right');
  }
}

function attachJson(doc: PDFKit.PDFDocument, invoice: Invoice): void {
  const issued = new Date(invoice.issuedAt);
  doc.file(Buffer.from(JSON.stringify(invoice)), {
    name: `${invoice.id}.json`,
    type: 'application/json',
    description: `This ${titleOf(invoice).toLowerCase()}, for programs`,
    creationDate: issued,
    modifiedDate: issued,
  });
}

/**
 * The first and last day of the month. The period's edges are not used: they are moments of the
 * billing zone, written in UTC.
 */
const daysOf = ({ month }: Invoice): Period => periodOfMonth(month);

function collected(doc: PDFKit.PDFDocument): Promise<Buffer> {
  const parts: Buffer[] = [];
  return new Promise((resolve, reject) => {
    doc.on('data', (part: Buffer) => parts.push(part));
    doc.on('end', () => resolve(Buffer.concat(parts)));
    doc.on('error', reject);
  });
}
