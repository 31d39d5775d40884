import { parseCopy } from '../../lib/document';
import type { InvoiceInput } from '../../billing/invoice/build-invoice';
import { problemOf } from '../../billing/invoice/invoice-problem';
import { lateMonthsOf, repricedLine } from '../../billing/invoice/price-late-usage';
import { readInvoice } from '../../redis/views/invoices';
import type { Store } from '../../redis/store';
import type { Held } from './held-projects';

/**
 * The input, or why its project is held: the catalog prices a month with late usage differently
 * than that month's invoice.
 */
export async function orHeldIfRepriced(store: Store, input: InvoiceInput): Promise<InvoiceInput | Held> {
  // The late usage was settled by an earlier run of this close.
  if (input.hasCreditNote) return input;
  for (const origin of lateMonthsOf(input)) {
    const json = await readInvoice(store, input.project, origin);
    if (json === undefined) continue;
    const issued = parseCopy('invoice.v1.json', json, `an invoice of ${input.project}`);
    const line = repricedLine(input, origin, issued);
    if (line !== undefined) return problemOf(input, 'PRICES_CHANGED', line);
  }
  return input;
}
