import { once } from 'node:events';
import { Command } from 'commander';
import { invoiceCsv } from '../../../../billing/invoice/invoice-csv';
import { TallymanError } from '../../../../lib/errors';
import { monthCsv } from '../../../../ops/lists/invoices-csv';
import type { Store } from '../../../../redis/store';
import { monthArgument } from '../../../lib/arguments';
import { caughtUp } from '../../../../installation/ledgers/catch-up-views';
import { withContext } from '../../../../installation/context';
import { findInvoice, INVOICE_ARGUMENT } from '../../../lib/find-invoice';

export function verb(): Command {
  return new Command('csv')
    .description('Write the lines of one invoice or credit note, or of all in a month, to stdout as CSV.')
    .argument('[invoice]', INVOICE_ARGUMENT)
    .option('--month <month>', 'all invoices and credit notes of the month YYYY-MM', monthArgument)
    .addHelpText(
      'after',
      `
The format is RFC 4180: commas, CRLF, and one row of names. Text that a spreadsheet would take for a formula begins with
an apostrophe.

Examples:
  tallyman invoices csv acme-2026-10 > acme.csv
  tallyman invoices csv --month 2026-10 > october.csv`,
    )
    .action(async (id: string | undefined, { month }: { month?: string }) => {
      if ((id === undefined) === (month === undefined))
        throw new TallymanError(
          'WHICH_INVOICE',
          'Name an invoice, or use --month for all invoices of a month.',
        );
      await withContext(async (context) => {
        if (id !== undefined) process.stdout.write(invoiceCsv(await findInvoice(context, id)));
        else await writeMonth(await caughtUp(context, 'invoices'), month!);
      });
    });
}

async function writeMonth(store: Store, month: string): Promise<void> {
  for await (const rows of monthCsv(store, month)) {
    const wantsMore = process.stdout.write(rows);
    if (!wantsMore) await once(process.stdout, 'drain');
  }
}
