import { invoiceCsvHeader, invoiceCsvRows } from '../../billing/invoice/invoice-csv';
import { parseCopy } from '../../lib/document';
import type { Store } from '../../redis/store';
import { eachInvoiceOfMonth, invoicedInOrder } from '../../redis/views/invoices';

/**
 * The lines of all invoices and credit notes of a month, by project. It goes on with a hundred
 * projects at a time, so that all others are in memory by their names only.
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
  for await (const { documents } of eachInvoiceOfMonth(store, projects, month)) {
    for (const json of documents) {
      const invoice = parseCopy('invoice.v1.json', json, 'an invoice');
      if (plan === undefined || invoice.plan === plan) yield invoiceCsvRows(invoice);
    }
  }
}
