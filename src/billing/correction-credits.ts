import { Decimal, sum } from './decimal';
import type { Invoice } from './invoice';
import { moneyLine, type PricedLine } from './priced-line';
import type { Credit } from './project';

/**
 * Corrections in the customer's favour, after tax: `carried` from earlier invoices and those `granted` for this month.
 * An invoice never falls below 0: what exceeds the amount `due`, which is never below 0 itself, is carried to the next one.
 */
export function creditLines(
  currency: string,
  due: Decimal,
  carried: string,
  granted: readonly Credit[],
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

/** What an invoice carries to the next: its credit line above 0. (Of late usage's credit lines each names its period.) */
export function carriedCreditOf(invoice: Pick<Invoice, 'lines'>): string {
  const line = invoice.lines.find(
    ({ kind, period, amount }) => kind === 'credit' && period === undefined && !amount!.startsWith('-'),
  );
  return line?.amount ?? '0';
}
