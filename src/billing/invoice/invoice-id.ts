/**
 * `<project>-<YYYY-MM>`, and with `-CN` at the end for a credit note. No id of an invoice ends like
 * that.
 */
const id = /^(.+)-((\d{4}-\d{2})(?:-CN)?)$/s;

export interface InvoiceId {
  readonly project: string;
  /** Which document of the project it is, such as `2026-07` or `2026-07-CN`. */
  readonly entry: string;
  readonly month: string;
}

/** Undefined if the text is not such an id. */
export function parseInvoiceId(text: string): InvoiceId | undefined {
  const [, project, entry, month] = id.exec(text) ?? [];
  return project && entry && month ? { project, entry, month } : undefined;
}

export const creditNoteEntry = (month: string): string => `${month}-CN`;

export const isCreditNoteEntry = (entry: string): boolean => entry.endsWith('-CN');

/** `acme-0003` is the project's third invoice. */
export const invoiceNumber = (project: string, count: number): string => `${project}-${padded(count)}`;

/**
 * `acme-CN0002` is the project's second credit note. The number of an invoice ends with `-` and
 * digits, so the two never collide.
 */
export const creditNoteNumber = (project: string, count: number): string => `${project}-CN${padded(count)}`;

const padded = (count: number): string => String(count).padStart(4, '0');

/** 3 for `acme-0003`, and NaN for the number of a credit note. */
export const runningNumber = (number: string): number => Number(number.slice(number.lastIndexOf('-') + 1));
