import { zero } from './decimal';
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
  return after.flatMap((line) => {
    const was = earlier.get(line.id);
    const difference: PricedLine = {
      ...line,
      kind: line.kind === 'credit' ? 'credit' : 'late',
      period: line.period ?? origin,
      description: `Late usage of ${origin}: ${line.description}`,
      quantity: line.quantity.minus(was?.quantity ?? zero),
      included: line.included.minus(was?.included ?? zero),
      billable: line.billable.minus(was?.billable ?? zero),
      amount: line.amount === null ? null : line.amount.minus(was?.amount ?? zero),
    };
    const unchanged =
      difference.quantity.isZero() && difference.included.isZero() && (difference.amount ?? zero).isZero();
    return unchanged ? [] : [difference];
  });
}
