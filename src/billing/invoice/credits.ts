import { Decimal, sum } from '../pricing/decimal';
import type { Invoice } from './invoice';
import { moneyLine, type PricedLine } from './priced-line';
import type { Credit } from '../project/project';

/** The part of an issued invoice on which the next ones depend. */
export type IssuedInvoice = Pick<Invoice, 'month' | 'currency' | 'lines'>;

export interface CreditsAtHand {
  /** What the latest issued invoice left over. */
  readonly carried: string;
  /** Credits that are not on an issued invoice yet. */
  readonly granted: readonly Credit[];
}

/**
 * The credits that the invoice of a month may use. An invoice takes in the credits of all months
 * since the previous invoice, so a credit of a month without an invoice waits for the next one.
 *
 * @param credits all credits of the project
 * @param issued the project's invoices, in the order of their numbers; credit notes do not move
 *   credits
 */
export function creditsAtHand(
  month: string,
  credits: readonly Credit[],
  issued: readonly IssuedInvoice[],
): CreditsAtHand {
  const last = issued.at(-1);
  const months = issued.map((invoice) => invoice.month).sort(); // `month` itself is not among them yet.
  const before = months.findLast((one) => one <= month) ?? '';
  const later = issued.filter((invoice) => invoice.month > month);
  const granted = credits.filter((credit) => credit.month > before && credit.month <= month);
  return {
    carried: last === undefined ? '0' : carriedCreditOf(last),
    granted: notTakenIn(granted, later),
  };
}

/**
 * The credits that a project has left after the months up to `month` are invoiced: carried, or
 * granted since.
 */
export function creditBalance(...of: Parameters<typeof creditsAtHand>): Decimal {
  const { carried, granted } = creditsAtHand(...of);
  return sum([carried, ...granted.map(({ amount }) => amount)].map((amount) => new Decimal(amount)));
}

/**
 * If a draft is completed after the invoice of a later month was issued, that invoice may contain
 * the credits of the draft's month.
 */
function notTakenIn(granted: readonly Credit[], later: readonly IssuedInvoice[]): Credit[] {
  const taken = later
    .flatMap(({ lines }) => lines)
    .filter(({ kind, period }) => kind === 'credit' && period === undefined);
  return granted.filter(({ description, amount }) => {
    const at = taken.findIndex(
      (line) => line.description === description && new Decimal(line.quantity).eq(amount),
    );
    if (at >= 0) taken.splice(at, 1);
    return at < 0;
  });
}

/**
 * Sets credits against an invoice, after tax. The invoice never falls below 0: what exceeds the
 * amount `due`, which is above 0, is carried to the next invoice.
 */
export function creditLines(
  currency: string,
  due: Decimal,
  { carried, granted }: CreditsAtHand,
): PricedLine[] {
  const credits = [{ description: 'Credit carried from earlier invoices', amount: carried }, ...granted]
    .map(({ description, amount }) => ({ description, amount: new Decimal(amount) }))
    .filter(({ amount }) => !amount.isZero());
  const lines = credits.map(({ description, amount }, index) =>
    moneyLine({ id: `credit ${index}`, kind: 'credit', description }, currency, amount, -1),
  );
  const left = sum(credits.map(({ amount }) => amount)).minus(due);
  if (left.isZero() || left.isNegative()) return lines;
  const description = 'Credit carried to the next invoice';
  return [...lines, moneyLine({ id: 'carried', kind: 'credit', description }, currency, left, 1)];
}

/**
 * What an invoice carries to the next one: its positive credit line without a period. Credit lines
 * of late usage have a period.
 */
export function carriedCreditOf(invoice: Pick<Invoice, 'lines'>): string {
  const line = invoice.lines.find(
    ({ kind, period, amount }) => kind === 'credit' && period === undefined && !amount!.startsWith('-'),
  );
  return line?.amount ?? '0';
}
