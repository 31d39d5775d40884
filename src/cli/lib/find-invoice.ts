import { parseCopy } from '../../lib/document';
import type { Invoice } from '../../billing/invoice/invoice';
import { parseInvoiceId } from '../../billing/invoice/invoice-id';
import { caughtUp } from '../../installation/ledgers/catch-up-views';
import type { Context } from '../../installation/context';
import { TallymanError } from '../../lib/errors';
import { readInvoice } from '../../redis/views/invoices';

/** How the help describes the argument. */
export const INVOICE_ARGUMENT = '<project>-<YYYY-MM>, or <project>-<YYYY-MM>-CN for a credit note';

/**
 * An issued invoice or credit note by its id, `<project>-<YYYY-MM>` or `<project>-<YYYY-MM>-CN`.
 * An issued document never changes, so Kafka is read only if Redis does not show it.
 *
 * @throws TallymanError `NO_INVOICE`
 */
export async function findInvoice(context: Context, id: string): Promise<Invoice> {
  const { project, entry } = parseInvoiceId(id) ?? {};
  if (project && entry) {
    const shown = await readInvoice(await context.store(), project, entry);
    const json = shown ?? (await readInvoice(await caughtUp(context, 'invoices'), project, entry));
    if (json !== undefined) return parseCopy('invoice.v1.json', json, `invoice ${id}`);
  }
  throw new TallymanError('NO_INVOICE', `There is no invoice ${id}. \`tallyman invoices list\` shows them.`, {
    id,
  });
}
