import type { Invoice } from '../billing/invoice';
import { TallymanError } from '../errors';
import { readInvoice } from '../totals/invoices';
import type { Store } from '../totals/store';

/**
 * An issued invoice by its id, `<project>-<YYYY-MM>`.
 *
 * @throws TallymanError `NO_INVOICE`
 */
export async function findInvoice(store: Store, id: string): Promise<Invoice> {
  const [, project, month] = /^(.+)-(\d{4}-\d{2})$/.exec(id) ?? [];
  const json = project && month ? await readInvoice(store, project, month) : undefined;
  if (json !== undefined) return JSON.parse(json) as Invoice;
  throw new TallymanError('NO_INVOICE', `There is no invoice ${id}: \`tallyman invoices list\` shows them.`, {
    id,
  });
}
