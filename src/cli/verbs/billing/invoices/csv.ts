import { parseCopy } from '../../../../lib/document';
import { once } from 'node:events';
import { Command } from 'commander';
import { invoiceCsv, invoiceCsvHeader, invoiceCsvRows } from '../../../../billing/invoice/invoice-csv';
import { TallymanError } from '../../../../lib/errors';
import { invoicedProjects, readInvoicesOfMonth } from '../../../../redis/views/invoices';
import type { Store } from '../../../../redis/store';
import { monthArgument } from '../../../lib/arguments';
import { caughtUp } from '../../../../installation/ledgers/caught-up';
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

/** By project, one invoice at a time, so that only the names of the projects are held in memory. */
async function writeMonth(store: Store, month: string): Promise<void> {
  const projects: string[] = [];
  for await (const project of invoicedProjects(store, month)) projects.push(project);
  process.stdout.write(invoiceCsvHeader);
  for (const project of projects.sort()) {
    for (const json of await readInvoicesOfMonth(store, project, month)) {
      const wantsMore = process.stdout.write(
        invoiceCsvRows(parseCopy('invoice.v1.json', json, 'an invoice')),
      );
      if (!wantsMore) await once(process.stdout, 'drain');
    }
  }
}
