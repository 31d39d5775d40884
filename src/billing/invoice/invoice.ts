/**
 * An invoice or a credit note (`schemas/invoice.v1.json`). Money and quantities are decimal
 * strings, and money has the digits of the currency.
 */
export interface Invoice {
  /** `<project>-<YYYY-MM>`, or `<project>-<YYYY-MM>-CN` for a credit note. */
  readonly id: string;
  /** Absent for an invoice. */
  readonly kind?: 'credit_note';
  /** Only issued invoices have numbers, so that they run without gaps. */
  readonly number: string | null;
  readonly project: string;
  /** The plan on the last day of the month. */
  readonly plan: string;
  readonly month: string;
  /**
   * Only for a credit note: the earlier months that it corrects, in order, each with its invoice if
   * there was one.
   */
  readonly corrects?: readonly Corrected[];
  readonly currency: string;
  /**
   * Both are as they were when the document was issued. A later move or change of name must not
   * change a document that was sent.
   */
  readonly seller?: Seller;
  readonly buyer?: Party;
  readonly issuedAt: string;
  readonly periodStart: string;
  readonly periodEnd: string;
  readonly lines: readonly InvoiceLine[];
  /** The sum of the plan, usage and late lines. */
  readonly subtotal: string;
  /**
   * The sum of the credit lines. It is above 0 only for a credit that is carried on, or if a
   * correction takes back credits of the plan.
   */
  readonly credits: string;
  readonly tax: string;
  /**
   * subtotal + credits + tax, which is the sum of all lines. Never below 0 for an invoice, and
   * always for a credit note.
   */
  readonly total: string;
}

export interface Corrected {
  readonly month: string;
  /** The number of the month's invoice. Absent if it had none. */
  readonly invoice?: string;
}

/** The kind of document, for people. */
export const titleOf = ({ kind }: Invoice): string => (kind === 'credit_note' ? 'Credit note' : 'Invoice');

/** What a credit note corrects, for people: `2026-06 (invoice acme-0003), 2026-07`. */
export const correctsText = (
  corrects: readonly Corrected[],
  nameOf = (month: string): string => month,
): string =>
  corrects
    .map(({ month, invoice }) => nameOf(month) + (invoice === undefined ? '' : ` (invoice ${invoice})`))
    .join(', ');

export interface Party {
  readonly name?: string;
  readonly email?: string;
  readonly address?: readonly string[];
  readonly taxId?: string;
}

/** Who issues the invoices (`schemas/seller.v1.json`). */
export interface Seller extends Party {
  readonly name: string;
  /** Printed under the total, such as how and by when to pay. */
  readonly note?: string;
}

export type LineKind = 'plan' | 'usage' | 'late' | 'credit' | 'tax';

/**
 * `amount = round(billable * unitPrice / per)` and `billable = quantity - included`. Packages are
 * rounded up to whole ones, and blocked usage is 0. A late line is the difference that late usage
 * makes to the lines of its month, so only the sum over all invoices is such a product. `included`
 * may fall in it if another meter of a shared allowance grew.
 */
export interface InvoiceLine {
  readonly kind: LineKind;
  readonly meter?: string;
  readonly model?: string;
  /**
   * The period of the line if it is not the whole month of the invoice: `2026-05` or
   * `2026-05-01/2026-05-14`.
   */
  readonly period?: string;
  readonly description: string;
  readonly unit: string;
  readonly quantity: string;
  readonly included: string;
  readonly billable: string;
  /** null if the catalog has no price. The invoice is a draft then. */
  readonly unitPrice: string | null;
  readonly per: string;
  readonly amount: string | null;
}
