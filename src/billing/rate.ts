import type { Price, PriceDocument, Rate, TierDocument } from './catalog';
import { Decimal } from './decimal';

/** Makes a price of a catalog or an override ready to use. `per` is in billing units. */
export function rateOf(price: PriceDocument, per = '1'): Rate {
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

/** A rate that costs nothing: no quota applies to it. */
export function isFree(rate: Rate): boolean {
  const amounts = 'tiers' in rate.price ? rate.price.tiers.map((tier) => tier.amount) : [rate.price.amount];
  return amounts.every((amount) => amount.isZero());
}
