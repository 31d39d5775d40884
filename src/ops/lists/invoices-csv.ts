import { invoiceCsvHeader, invoiceCsvRows } from '../../billing/invoice/invoice-csv';
import { parseCopy } from '../../lib/document';
import type { Store } from '../../redis/store';
import { invoicedInOrder, readInvoicesOfMonth } from '../../redis/views/invoices';

/**
 * The lines of all invoices and credit notes of a month, by project. It goes on with one invoice at
 * a time, so that only the names of the projects are held in memory.
 *
 * @param plan only those of this plan
 */
export async function* monthCsv(
  store: Store,
  month: string,
  plan?: string,
): AsyncGenerator<string, void, undefined> {
  const projects = await invoicedInOrder(store, month);
  yield invoiceCsvHeader;
  for (const project of projects) {
    for (const json of await readInvoicesOfMonth(store, project, month)) {
      const invoice = parseCopy('invoice.v1.json', json, 'an invoice');
      if (plan === undefined || invoice.plan === plan) yield invoiceCsvRows(invoice);
    }
  }
}
