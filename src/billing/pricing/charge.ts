import type { Price, UnitPrice, Tier } from '../catalog/catalog';
import { Decimal, roundMoney, zero } from './decimal';

/**
 * One priced part of a meter's overage, in base units. A graduated price has one part for each tier
 * that is reached.
 */
export interface Charge {
  readonly used: Decimal;
  /** What is charged: `used`, or whole packages. */
  readonly billable: Decimal;
  /** For `per` billing units. */
  readonly unitPrice: Decimal;
  readonly per: Decimal;
  /** `billable * unitPrice / per`, rounded half up to `digits` places. Nothing else is rounded. */
  readonly amount: Decimal;
}

/**
 * Prices what exceeds the included quantity, and returns at least one part.
 *
 * @param unitSize the number of base units in a billing unit
 */
export function chargesFor(rate: UnitPrice, used: Decimal, unitSize: Decimal, digits: number): Charge[] {
  const per = rate.price.kind === 'package' ? rate.price.size : rate.per;
  const perBase = per.times(unitSize);
  return partsOf(rate.price, used, unitSize).map(({ used: part, billable, unitPrice }) => {
    const amount = billable.isZero() ? zero : roundMoney(billable.times(unitPrice).div(perBase), digits);
    return { used: part, billable, unitPrice, per, amount };
  });
}

type Part = Pick<Charge, 'used' | 'billable' | 'unitPrice'>;

function partsOf(price: Price, used: Decimal, unitSize: Decimal): Part[] {
  switch (price.kind) {
    case 'flat':
      return [{ used, billable: used, unitPrice: price.amount }];
    case 'package': {
      const size = price.size.times(unitSize);
      const billable = used.div(size).ceil().times(size);
      return [{ used, billable, unitPrice: price.amount }];
    }
    case 'volume':
      return [{ used, billable: used, unitPrice: tierAt(price.tiers, used.div(unitSize)).amount }];
    case 'graduated':
      return graduated(price.tiers, used, unitSize);
  }
}

function tierAt(tiers: readonly Tier[], quantity: Decimal): Tier {
  return tiers.find((tier) => tier.upTo === undefined || quantity.lte(tier.upTo))!;
}

function graduated(tiers: readonly Tier[], used: Decimal, unitSize: Decimal): Part[] {
  const parts: Part[] = [];
  let start = zero;
  for (const tier of tiers) {
    const end = tier.upTo === undefined ? used : Decimal.min(used, tier.upTo.times(unitSize));
    const part = end.minus(start);
    if (part.isPositive() && (parts.length === 0 || !part.isZero())) {
      parts.push({ used: part, billable: part, unitPrice: tier.amount });
    }
    start = end;
  }
  return parts;
}
