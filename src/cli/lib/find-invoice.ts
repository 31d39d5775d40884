import type { Invoice } from '../../billing/invoice/invoice';
import { parseInvoiceId } from '../../billing/invoice/invoice-id';
import { TallymanError } from '../../lib/errors';
import { readInvoice } from '../../redis/views/invoices';
import type { Store } from '../../redis/store';

/** How the help describes the argument. */
export const INVOICE_ARGUMENT = '<project>-<YYYY-MM>, or <project>-<YYYY-MM>-CN for a credit note';

/**
 * An issued invoice or credit note by its id, `<project>-<YYYY-MM>` or `<project>-<YYYY-MM>-CN`.
 *
 * @throws TallymanError `NO_INVOICE`
 */
export async function findInvoice(store: Store, id: string): Promise<Invoice> {
  const { project, entry } = parseInvoiceId(id) ?? {};
  const json = project && entry ? await readInvoice(store, project, entry) : undefined;
  if (json !== undefined) return JSON.parse(json) as Invoice;
  throw new TallymanError('NO_INVOICE', `There is no invoice ${id}. \`tallyman invoices list\` shows them.`, {
    id,
  });
}
