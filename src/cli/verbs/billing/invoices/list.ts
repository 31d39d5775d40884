import { parseCopy } from '../../../../lib/document';
import type { Command } from 'commander';
import type { CsvColumn } from '../../../../billing/invoice/csv-writer';
import type { Invoice } from '../../../../billing/invoice/invoice';
import { readCloses } from '../../../../redis/views/closes';
import { eachInvoiceOfMonth, invoicedInOrder, readInvoices } from '../../../../redis/views/invoices';
import type { Store } from '../../../../redis/store';
import { listVerb } from '../../../lib/arguments';
import { caughtUp } from '../../../../installation/ledgers/catch-up-views';
import { withContext } from '../../../../installation/context';
import { printList, type OutputOptions } from '../../../lib/list-output';
import { groupDigits, printLine, printTable } from '../../../lib/output';

export function verb(): Command {
  return listVerb('List the invoices and credit notes of a project, of a month, or all of them.')
    .addHelpText(
      'after',
      `
Examples:
  tallyman invoices list --project acme
  tallyman invoices list --month 2026-10 --output csv > october.csv
  tallyman invoices list --month 2026-10 --json | jq '.invoices[].total'`,
    )
    .action(async (options: OutputOptions & { project?: string; month?: string }) => {
      await withContext(async (context) => {
        const store = await caughtUp(context, 'closes', 'invoices');
        const invoices = await listInvoices(store, options);
        await printList(options, {
          rows: invoices,
          csv: CSV,
          document: () => ({ invoices: invoices.map((invoice) => ({ ...invoice, lines: undefined })) }),
          table: () => (invoices.length === 0 ? printLine('No invoices.') : printInvoices(invoices)),
        });
      });
    });
}

const CSV: readonly CsvColumn<Invoice>[] = [
  ['invoice', ({ id }) => id],
  ['number', ({ number }) => number ?? ''],
  ['kind', ({ kind }) => kind ?? 'invoice', 'exact'],
  ['project', ({ project }) => project],
  ['plan', ({ plan }) => plan],
  ['month', ({ month }) => month, 'exact'],
  ['issuedAt', ({ issuedAt }) => issuedAt, 'exact'],
  ['subtotal', ({ subtotal }) => subtotal, 'exact'],
  ['credits', ({ credits }) => credits, 'exact'],
  ['tax', ({ tax }) => tax, 'exact'],
  ['total', ({ total }) => total, 'exact'],
  ['currency', ({ currency }) => currency, 'exact'],
];

async function listInvoices(
  store: Store,
  { project, month }: { project?: string; month?: string },
): Promise<Invoice[]> {
  const found: string[] = [];
  if (project !== undefined) {
    for (const [entry, json] of await readInvoices(store, project)) {
      if (month === undefined || entry.startsWith(month)) found.push(json);
    }
  } else {
    const months = month === undefined ? [...(await readCloses(store)).keys()] : [month];
    for (const closed of months) {
      const projects = await invoicedInOrder(store, closed);
      for await (const { documents } of eachInvoiceOfMonth(store, projects, closed)) found.push(...documents);
    }
  }
  return found
    .map((json) => parseCopy('invoice.v1.json', json, 'an invoice'))
    .sort((a, b) => compare(a.month, b.month) || compare(a.project, b.project) || compare(a.id, b.id));
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function printInvoices(invoices: readonly Invoice[]): void {
  printTable(
    [
      { title: 'month', of: ({ month }) => month },
      { title: 'project', of: ({ project }) => project },
      { title: 'plan', of: ({ plan }) => plan },
      { title: 'number', of: ({ number }) => number ?? 'draft' },
      { title: 'lines', of: ({ lines }) => String(lines.length), align: 'right' },
      { title: 'credits', of: ({ credits }) => groupDigits(credits), align: 'right' },
      { title: 'total', of: ({ total, currency }) => `${groupDigits(total)} ${currency}`, align: 'right' },
    ],
    invoices,
  );
}
