import { zero } from '../pricing/decimal';
import type { PricedLine } from './priced-line';

/**
 * What late usage changes in the lines of the month it belongs to. Lines that stay as they were are left out. Of a price
 * that depends on the quantity, the one now reached is named.
 */
export function lateLines(
  origin: string,
  before: readonly PricedLine[],
  after: readonly PricedLine[],
): PricedLine[] {
  const earlier = new Map(before.map((line) => [line.id, line]));
  const later = new Set(after.map(({ id }) => id));
  // Where all usage of a meter was taken back, its line is gone: what it charged comes off.
  const gone = before.filter(({ id }) => !later.has(id));
  return [
    ...after.map((line) => differenceOf(origin, earlier.get(line.id), line)),
    ...gone.map((line) => differenceOf(origin, line, nothingOf(line))),
  ].filter(
    ({ quantity, included, amount }) =>
      !(quantity.isZero() && included.isZero() && (amount ?? zero).isZero()),
  );
}

function nothingOf(line: PricedLine): PricedLine {
  return {
    ...line,
    quantity: zero,
    included: zero,
    billable: zero,
    amount: line.amount === null ? null : zero,
  };
}

function differenceOf(origin: string, was: PricedLine | undefined, line: PricedLine): PricedLine {
  const amount = amountBetween(was, line);
  return {
    ...line,
    kind: line.kind === 'credit' ? 'credit' : 'late',
    period: line.period ?? origin,
    description: `Late usage of ${origin}: ${line.description}`,
    quantity: line.quantity.minus(was?.quantity ?? zero),
    included: line.included.minus(was?.included ?? zero),
    billable: line.billable.minus(was?.billable ?? zero),
    unitPrice: amount === null ? null : line.unitPrice,
    amount,
  };
}

/** A difference with something unknown in it is unknown: usage without a price that is taken back is not worth nothing. */
function amountBetween(was: PricedLine | undefined, line: PricedLine): PricedLine['amount'] {
  if (line.amount === null || was?.amount === null) return null;
  return line.amount.minus(was?.amount ?? zero);
}
