import type { Invoice, InvoiceLine } from './invoice';

type Column = readonly [name: string, of: (line: InvoiceLine, invoice: Invoice) => string];

const columns: readonly Column[] = [
  ['invoice', (_line, invoice) => harmless(invoice.id)],
  ['kind', (line) => line.kind],
  ['period', (line, invoice) => line.period ?? invoice.month],
  ['meter', (line) => line.meter ?? ''],
  ['model', (line) => harmless(line.model ?? '')],
  ['description', (line) => harmless(line.description)],
  ['unit', (line) => line.unit],
  ['quantity', (line) => line.quantity],
  ['included', (line) => line.included],
  ['billable', (line) => line.billable],
  ['unitPrice', (line) => line.unitPrice ?? ''],
  ['per', (line) => line.per],
  ['amount', (line) => line.amount ?? ''],
  ['currency', (_line, invoice) => invoice.currency],
];

/**
 * The lines of an invoice as CSV (RFC 4180: CRLF, doubled quotes) below a row of names. A missing
 * price is an empty field.
 */
export function invoiceCsv(invoice: Invoice): string {
  return invoiceCsvHeader + invoiceCsvRows(invoice);
}

const rowText = (row: readonly string[]): string => `${row.map(quoted).join(',')}\r\n`;

/** The row of names, for several invoices in one file. */
export const invoiceCsvHeader = rowText(columns.map(([name]) => name));

export function invoiceCsvRows(invoice: Invoice): string {
  return invoice.lines.map((line) => rowText(columns.map(([, of]) => of(line, invoice)))).join('');
}

/** Model names come from producers. A spreadsheet must not take `=HYPERLINK(...)` for a formula. */
function harmless(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
