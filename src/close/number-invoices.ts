import { creditNoteNumber, invoiceNumber } from '../billing/invoice/invoice-id';
import { parseCopy } from '../lib/document';
import type { PlacedProject } from '../redis/usage/read-usage';
import { readInvoicedBefore } from '../redis/views/invoices';
import type { Store } from '../redis/store';
import type { Billable } from './invoice-inputs';

/** A project with the numbers for its next documents. */
export interface Numbered extends Billable {
  /** The number of the month's own invoice, if it was issued already. */
  readonly issuedTotal?: string;
}

/**
 * Gives each project the next numbers of its two series, one for invoices and one for credit notes.
 * Neither has gaps.
 */
export async function numberInvoices(
  store: Store,
  month: string,
  page: readonly PlacedProject[],
): Promise<Numbered[]> {
  const before = await readInvoicedBefore(
    store,
    month,
    page.map(({ project }) => project),
  );
  return page.map((placed, i) => {
    const { own, count, creditNoteCount } = before[i]!;
    return {
      ...placed,
      ...(own !== undefined && {
        issuedTotal: parseCopy('invoice.v1.json', own, `the ${month} invoice of ${placed.project}`).total,
      }),
      before: before[i]!,
      number: invoiceNumber(placed.project, count + 1),
      creditNoteNumber: creditNoteNumber(placed.project, creditNoteCount + 1),
    };
  });
}
