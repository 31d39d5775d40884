import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { withContext } from '../../../../installation/context';
import { findInvoice, INVOICE_ARGUMENT } from '../../../lib/find-invoice';
import { printLine } from '../../../lib/output';

export function verb(): Command {
  return new Command('pdf')
    .description(
      'Write an issued invoice or credit note as a PDF with its JSON attached. The same document gives the same bytes.',
    )
    .argument('<invoice>', INVOICE_ARGUMENT)
    .option('--output <file>', 'the file to write; - for stdout (default: <invoice>.pdf)')
    .addHelpText(
      'after',
      `
Examples:
  tallyman invoices pdf acme-2026-10
  tallyman invoices pdf acme-2026-10 --output - | lpr`,
    )
    .action(async (id: string, options: { output?: string }) => {
      await withContext(async (context) => {
        // Fonts and their tools take 40 MB and a quarter of a second, so they are loaded only for a
        // PDF.
        const { renderInvoicePdf } = await import('../../../../pdf/invoice-pdf.js');
        const pdf = await renderInvoicePdf(await findInvoice(context, id));
        const file = options.output ?? `${id}.pdf`;
        if (file === '-') {
          process.stdout.write(pdf);
          return;
        }
        await writeFile(file, pdf);
        printLine(file);
      });
    });
}
