import { correctsText, titleOf, type Invoice } from '../../billing/invoice/invoice';
import { groupDigits, printLine, printTable } from './output';

/** Prints an invoice with its lines. `heading` distinguishes a preview from an issued one. */
export function printInvoice(
  invoice: Invoice,
  heading = `${titleOf(invoice)} ${invoice.number ?? '(not issued)'}`,
): void {
  printLine(`${heading}  ${invoice.id}`);
  if (invoice.corrects) printLine(`corrects ${correctsText(invoice.corrects)}`);
  printLine(`${invoice.project}, plan ${invoice.plan}, ${invoice.periodStart} to ${invoice.periodEnd}`);
  printLine();
  printTable(
    [
      { title: '#', of: (line) => String(invoice.lines.indexOf(line) + 1), align: 'right' },
      {
        title: 'line',
        of: ({ description, period }) => (period === undefined ? description : `${description} (${period})`),
      },
      { title: 'quantity', of: ({ quantity }) => groupDigits(quantity), align: 'right' },
      { title: 'unit', of: ({ unit }) => unit },
      { title: 'included', of: ({ included }) => groupDigits(included), align: 'right' },
      { title: 'billable', of: ({ billable }) => groupDigits(billable), align: 'right' },
      {
        title: 'price',
        of: ({ unitPrice, per }) =>
          unitPrice === null ? 'unknown' : per === '1' ? unitPrice : `${unitPrice} / ${groupDigits(per)}`,
        align: 'right',
      },
      { title: 'amount', of: ({ amount }) => (amount === null ? '?' : groupDigits(amount)), align: 'right' },
    ],
    invoice.lines,
  );
  printLine();
  for (const [name, amount] of [
    ['subtotal', invoice.subtotal],
    ['credits', invoice.credits],
    ['tax', invoice.tax],
    ['total', invoice.total],
  ] as const) {
    printLine(`${name.padEnd(10)}${groupDigits(amount).padStart(14)} ${invoice.currency}`);
  }
}
