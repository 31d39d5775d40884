import { csvHeader, csvRows, type CsvColumn } from './csv-writer';
import type { Invoice, InvoiceLine } from './invoice';

const columns: readonly CsvColumn<{ readonly line: InvoiceLine; readonly invoice: Invoice }>[] = [
  ['invoice', ({ invoice }) => invoice.id],
  ['kind', ({ line }) => line.kind, 'exact'],
  ['period', ({ line, invoice }) => line.period ?? invoice.month, 'exact'],
  ['meter', ({ line }) => line.meter ?? '', 'exact'],
  ['model', ({ line }) => line.model ?? ''],
  ['description', ({ line }) => line.description],
  ['unit', ({ line }) => line.unit, 'exact'],
  ['quantity', ({ line }) => line.quantity, 'exact'],
  ['included', ({ line }) => line.included, 'exact'],
  ['billable', ({ line }) => line.billable, 'exact'],
  ['unitPrice', ({ line }) => line.unitPrice ?? '', 'exact'],
  ['per', ({ line }) => line.per, 'exact'],
  ['amount', ({ line }) => line.amount ?? '', 'exact'],
  ['currency', ({ invoice }) => invoice.currency, 'exact'],
];

/** The lines of an invoice as CSV below a row of names. A missing price is an empty field. */
export function invoiceCsv(invoice: Invoice): string {
  return invoiceCsvHeader + invoiceCsvRows(invoice);
}

/** The row of names, for several invoices in one file. */
export const invoiceCsvHeader = csvHeader(columns);

export function invoiceCsvRows(invoice: Invoice): string {
  return csvRows(
    columns,
    invoice.lines.map((line) => ({ line, invoice })),
  );
}
