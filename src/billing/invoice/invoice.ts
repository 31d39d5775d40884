/**
 * An invoice, or a credit note (`schemas/invoice.v1.json`). Money and quantities are decimal
 * strings; money has the currency's digits.
 */
export interface Invoice {
  /** `<project>-<YYYY-MM>`; of a credit note `<project>-<YYYY-MM>-CN` */
  readonly id: string;
  /** Absent: an invoice. */
  readonly kind?: 'credit_note';
  /** Only an issued invoice has one, so that they run without gaps. */
  readonly number: string | null;
  readonly project: string;
  /** The plan on the last day of the month. */
  readonly plan: string;
  readonly month: string;
  /**
   * Of a credit note: the earlier months that it corrects, in order, each with its invoice if it
   * had one.
   */
  readonly corrects?: readonly Corrected[];
  readonly currency: string;
  /**
   * Both as of the issue: a later move or change of name must not reach into a document that was
   * sent.
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
   * The sum of the credit lines: 0 or below, but for a credit carried on, and plan credits that a
   * correction takes back.
   */
  readonly credits: string;
  readonly tax: string;
  /**
   * subtotal + credits + tax, which is the sum of all lines. Never below 0, of a credit note
   * always.
   */
  readonly total: string;
}

/** A month that a credit note corrects. */
export interface Corrected {
  readonly month: string;
  /** The number of the month's invoice. Absent if it had none. */
  readonly invoice?: string;
}

/** What kind of document it is, in a person's words. */
export const titleOf = ({ kind }: Invoice): string => (kind === 'credit_note' ? 'Credit note' : 'Invoice');

/** What a credit note corrects, in a person's words: `2026-06 (invoice acme-0003), 2026-07`. */
export const correctsText = (corrects: readonly Corrected[]): string =>
  corrects
    .map(({ month, invoice }) => (invoice === undefined ? month : `${month} (invoice ${invoice})`))
    .join(', ');

/** Who an invoice is from or made out to. */
export interface Party {
  readonly name?: string;
  readonly email?: string;
  readonly address?: readonly string[];
  readonly taxId?: string;
}

/** Who issues the invoices (`schemas/seller.v1.json`). */
export interface Seller extends Party {
  readonly name: string;
  /** Stands under the total: how and until when to pay, say. */
  readonly note?: string;
}

export type LineKind = 'plan' | 'usage' | 'late' | 'credit' | 'tax';

/**
 * `amount = round(billable * unitPrice / per)` and `billable = quantity - included` (packages:
 * rounded up to whole ones; usage blocked at the quota: 0). Late lines are the difference a month's
 * late usage makes to that month's lines, so there only the sum over all invoices is such a
 * product, and `included` may fall where a meter of a shared allowance grew.
 */
export interface InvoiceLine {
  readonly kind: LineKind;
  readonly meter?: string;
  readonly model?: string;
  /**
   * What the line is for, where that is not the invoice's own whole month: `2026-05` or
   * `2026-05-01/2026-05-14`.
   */
  readonly period?: string;
  readonly description: string;
  readonly unit: string;
  readonly quantity: string;
  readonly included: string;
  readonly billable: string;
  /** null: the catalog has no price. The invoice is a draft then. */
  readonly unitPrice: string | null;
  readonly per: string;
  readonly amount: string | null;
}
