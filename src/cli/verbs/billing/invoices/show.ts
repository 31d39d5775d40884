import { Command } from 'commander';
import { withContext } from '../../../../installation/context';
import { findInvoice, INVOICE_ARGUMENT } from '../../../lib/find-invoice';
import { printJson } from '../../../lib/output';
import { printInvoice } from '../../../lib/print-invoice';

export function verb(): Command {
  return new Command('show')
    .description('Show an invoice or a credit note with its lines.')
    .argument('<invoice>', INVOICE_ARGUMENT)
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman invoices show acme-2026-10
  tallyman invoices show acme-2026-10 --json`,
    )
    .action(async (id: string, options: { json?: true }) => {
      await withContext(async (context) => {
        const invoice = await findInvoice(context, id);
        if (options.json) printJson(invoice);
        else printInvoice(invoice);
      });
    });
}
