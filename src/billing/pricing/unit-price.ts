import type { Price, PriceDocument, UnitPrice, TierDocument } from '../catalog/catalog';
import { Decimal } from './decimal';

/** @param per in billing units */
export function unitPriceOf(price: PriceDocument, per = '1'): UnitPrice {
  return { per: new Decimal(per), price: priceOf(price) };
}

function priceOf(price: PriceDocument): Price {
  if (typeof price === 'string') return { kind: 'flat', amount: new Decimal(price) };
  if ('package' in price) {
    return { kind: 'package', size: new Decimal(price.package), amount: new Decimal(price.amount) };
  }
  return 'graduated' in price
    ? { kind: 'graduated', tiers: price.graduated.map(tierOf) }
    : { kind: 'volume', tiers: price.volume.map(tierOf) };
}

function tierOf(tier: TierDocument): { upTo: Decimal | undefined; amount: Decimal } {
  return {
    upTo: tier.upTo === undefined ? undefined : new Decimal(tier.upTo),
    amount: new Decimal(tier.amount),
  };
}

/** No quota applies to a rate that costs nothing. */
export function isFree(rate: UnitPrice): boolean {
  const amounts = 'tiers' in rate.price ? rate.price.tiers.map((tier) => tier.amount) : [rate.price.amount];
  return amounts.every((amount) => amount.isZero());
}

/**
 * A text that is equal for rates that always charge the same, however they are written. `0.010`
 * equals `0.01`, 30 per 60 equals 0.5 per 1, a tier that costs the same as the one before does not
 * count, and neither does a price of zero.
 */
export function chargeKey(rate: UnitPrice | undefined): string {
  if (rate === undefined) return 'none';
  if (isFree(rate)) return 'free';
  const { per, price } = rate;
  // Two quotients of equal value have the same 100 digits.
  const perUnit = (amount: Decimal): string => amount.div(per).toString();
  switch (price.kind) {
    case 'flat':
      return `flat ${perUnit(price.amount)}`;
    case 'package':
      return `package ${price.amount.toString()} for ${price.size.toString()}`;
    case 'graduated':
    case 'volume': {
      const tiers = price.tiers
        .map(({ upTo, amount }) => ({ upTo: upTo?.toString() ?? 'end', amount: perUnit(amount) }))
        .filter(({ amount }, i, all) => all[i + 1]?.amount !== amount);
      if (tiers.length === 1) return `flat ${tiers[0]!.amount}`;
      return `${price.kind} ${tiers.map(({ upTo, amount }) => `${amount} to ${upTo}`).join(', ')}`;
    }
  }
}
