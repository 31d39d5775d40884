/**
 * The package's entry `tallyman/billing`: what a month of a project costs, without Kafka or Redis.
 * A close prices by the same code.
 */
import { buildInvoice, type InvoiceInput, type InvoiceOutcome } from '../billing/invoice/build-invoice';
import { createBillingCalendar } from '../rating/billing-calendar';

export { comparePlans, type PlanComparison } from '../billing/invoice/compare-plans';
export { invoiceCsv } from '../billing/invoice/invoice-csv';
export { loadCatalog } from '../installation/catalog-file';
export type { Catalog, CatalogDocument } from '../billing/catalog/catalog';
export type { OverQuota } from '../billing/invoice/build-invoice';
export type { Invoice, InvoiceLine, Seller } from '../billing/invoice/invoice';
export type { InvoiceProblem } from '../billing/invoice/invoice-problem';
export type { StoredMonth } from '../billing/pricing/month-usage';
export type { Credit, PlanEntry, Profile } from '../billing/project/project';
export { buildInvoice, type InvoiceInput, type InvoiceOutcome };

/** The terms and the usage of a project's month. What only an issued invoice has is left out. */
export type PreviewInput = Omit<
  InvoiceInput,
  'periodStart' | 'periodEnd' | 'number' | 'creditNoteNumber' | 'hasCreditNote' | 'issuedAt'
> & {
  /** The IANA zone whose months are billed (`TALLYMAN_BILLING_ZONE`); UTC by default. */
  readonly zone?: string;
};

/**
 * The invoice that a close would issue, without a number and dated at the end of its month. It
 * never throws for what cannot be priced: `status` is `draft` then, and `problems` has the reasons.
 *
 * @throws RangeError if `month` is not a month, or if there is no such zone
 */
export function previewInvoice({ zone = 'UTC', ...input }: PreviewInput): InvoiceOutcome {
  const calendar = createBillingCalendar(zone);
  const periodStart = new Date(calendar.monthStart(input.month)).toISOString();
  const periodEnd = new Date(calendar.monthEnd(input.month)).toISOString();
  return buildInvoice({ ...input, periodStart, periodEnd, number: null, issuedAt: periodEnd });
}
