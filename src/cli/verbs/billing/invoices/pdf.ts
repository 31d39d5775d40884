import { Command } from 'commander';
import { withContext } from '../../../../installation/context';
import { caughtUp } from '../../../../installation/ledgers/catch-up-views';
import { TallymanError } from '../../../../lib/errors';
import { EXIT_INTERRUPTED, signalled } from '../../../../lib/process/stop-signal';
import { createProgress } from '../../../../lib/progress';
import { writeMonthPdfs } from '../../../../pdf/month-pdfs';
import type { Store } from '../../../../redis/store';
import { monthArgument } from '../../../lib/arguments';
import { findInvoice, INVOICE_ARGUMENT } from '../../../lib/find-invoice';
import { printLine, writeOutput } from '../../../lib/output';

export function verb(): Command {
  return new Command('pdf')
    .description(
      'Write an issued invoice or credit note as a PDF with its JSON attached, or all of a month. The same document gives the same bytes.',
    )
    .argument('[invoice]', INVOICE_ARGUMENT)
    .option('--month <month>', 'all invoices and credit notes of the month YYYY-MM', monthArgument)
    .option(
      '--out <path>',
      'the file to write, - for stdout (default: <invoice>.pdf); with --month, the folder',
    )
    .addHelpText(
      'after',
      `
With --month, files that exist are kept, so a run that was stopped can be repeated.

Examples:
  tallyman invoices pdf acme-2026-10
  tallyman invoices pdf acme-2026-10 --out - | lpr
  tallyman invoices pdf --month 2026-10 --out invoices/`,
    )
    .action(async (id: string | undefined, options: PdfOptions) => {
      const { month, out } = options;
      if ((id === undefined) === (month === undefined))
        throw new TallymanError(
          'WHICH_INVOICE',
          'Name an invoice, or use --month for all invoices of a month.',
        );
      if (month !== undefined && out === undefined)
        throw new TallymanError(
          'BAD_ARGUMENTS',
          'With --month, name the folder to write to: --out invoices/.',
        );
      await withContext(async (context) => {
        if (id === undefined) return writeMonth(await caughtUp(context, 'invoices'), month!, out!);
        // Fonts and their tools take 40 MB and a quarter of a second, so they are loaded only for a
        // PDF.
        const { renderInvoicePdf } = await import('../../../../pdf/invoice-pdf.js');
        const pdf = await renderInvoicePdf(await findInvoice(context, id));
        const file = out ?? `${id}.pdf`;
        if (file === '-') {
          process.stdout.write(pdf);
          return;
        }
        await writeOutput(file, pdf);
        printLine(file);
      });
    });
}

interface PdfOptions {
  readonly month?: string;
  readonly out?: string;
}

async function writeMonth(store: Store, month: string, folder: string): Promise<void> {
  const stopSignal = signalled();
  const progress = createProgress('invoices');
  try {
    const { written, kept } = await writeMonthPdfs({
      ...{ store, month, folder, progress },
      isStopped: () => stopSignal.stopped(),
    });
    progress.end();
    printLine(`PDFs in ${folder}: ${written} written, ${kept} kept.`);
    if (stopSignal.stopped()) process.exitCode = EXIT_INTERRUPTED;
  } finally {
    stopSignal.dispose();
  }
}
