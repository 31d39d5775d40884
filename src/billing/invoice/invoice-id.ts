/**
 * `<project>-<YYYY-MM>`; of a credit note with `-CN` behind it, which no invoice's id ends with.
 */
const id = /^(.+)-((\d{4}-\d{2})(?:-CN)?)$/s;

/** What an id of an invoice or a credit note says. */
export interface InvoiceId {
  readonly project: string;
  /** Which document of the project it is: `2026-07`, or `2026-07-CN`. */
  readonly entry: string;
  readonly month: string;
}

/** Takes an id apart; undefined for what is none. */
export function parseInvoiceId(text: string): InvoiceId | undefined {
  const [, project, entry, month] = id.exec(text) ?? [];
  return project && entry && month ? { project, entry, month } : undefined;
}

/** Which document of its project a month's credit note is. */
export const creditNoteEntry = (month: string): string => `${month}-CN`;

/** Tells a credit note's entry from an invoice's. */
export const isCreditNoteEntry = (entry: string): boolean => entry.endsWith('-CN');

/** `acme-0003`, the project's third invoice. */
export const invoiceNumber = (project: string, count: number): string => `${project}-${padded(count)}`;

/**
 * `acme-CN0002`, the project's second credit note. No invoice of any project has such a number:
 * theirs end with `-` and digits.
 */
export const creditNoteNumber = (project: string, count: number): string => `${project}-CN${padded(count)}`;

const padded = (count: number): string => String(count).padStart(4, '0');

/** 3 of `acme-0003`. NaN of a credit note's number. */
export const runningNumber = (number: string): number => Number(number.slice(number.lastIndexOf('-') + 1));
