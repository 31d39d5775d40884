import { writeFile } from 'node:fs/promises';
import { Command } from 'commander';
import { renderInvoicePdf } from '../pdf/invoice-pdf';
import { withContext } from './context';
import { findInvoice } from './find-invoice';
import { printLine } from './output';

export function invoicePdfVerb(): Command {
  return new Command('pdf')
    .description(
      'Write an issued invoice as a PDF, its JSON attached. The same invoice gives the same bytes.',
    )
    .argument('<invoice>', '<project>-<YYYY-MM>')
    .option('--output <file>', 'where to; - for stdout (default: <invoice>.pdf)')
    .action(async (id: string, options: { output?: string }) => {
      await withContext(async ({ store }) => {
        const pdf = await renderInvoicePdf(await findInvoice(await store(), id));
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
