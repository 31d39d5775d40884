import { isInference } from '../../rating/meters';
import { chargesFor } from './charge';
import { periodText } from './days';
import { one, zero, type Decimal } from './decimal';
import type { PricingPeriod } from './prices-by-day';
import type { UsageItem } from './usage-items';
import type { PricedLine } from '../invoice/priced-line';
import { isFree } from './unit-price';
import { labelOf, unitOf, type BillingUnit } from './units';

/** What usage costs under its terms. It depends on the usage alone, whenever that arrived. */
export interface Priced {
  readonly lines: readonly PricedLine[];
  /** Meter keys without a price, in the order of the lines. */
  readonly unpriced: readonly string[];
  readonly blocked: readonly Blocked[];
}

/**
 * Usage beyond the quota of a plan that blocks it, which is not charged. In base units, or in money
 * for inference.
 */
export interface Blocked {
  readonly name: string;
  readonly unit: BillingUnit;
  readonly over: Decimal;
}

/**
 * Prices one item, with a line for each tier that it reaches.
 *
 * @param periodOfLines the days of the pricing period if it is a part of the month
 */
export function priceUsage(
  item: UsageItem,
  pricingPeriod: PricingPeriod,
  digits: number,
  periodOfLines: string | undefined,
): Priced {
  const { key, meter, model, quantity, included, unitPrice } = item;
  const unit = unitOf(meter);
  const over = quantity.minus(included);
  const inParts =
    item.period.from !== pricingPeriod.period.from || item.period.to !== pricingPeriod.period.to;
  const period = inParts ? periodText(item.period) : periodOfLines;
  const description = labelOf(meter, model);
  // Written field by field, because spreading objects into each other takes half the time of a
  // close.
  const lineOf = (part: LinePart, text = description, id = `${item.period.from} ${key}`): PricedLine => ({
    id,
    kind: 'usage',
    meter,
    model,
    period,
    description: text,
    unit,
    quantity: part.quantity,
    included: part.included,
    billable: part.billable,
    unitPrice: part.unitPrice,
    per: part.per,
    amount: part.amount,
  });
  const uncharged = { quantity, included, billable: zero, unitPrice: zero, per: one, amount: zero };

  const blocks =
    pricingPeriod.atQuota === 'block' &&
    !isInference(meter) &&
    !(unitPrice !== undefined && isFree(unitPrice));
  if (blocks && !over.isZero()) {
    const blocked = [{ name: item.allowance ?? description, unit, over }];
    return {
      lines: [lineOf(uncharged, `${description} (over the quota, not charged)`)],
      unpriced: [],
      blocked,
    };
  }
  if (blocks || (unitPrice === undefined && over.isZero())) return priced([lineOf(uncharged)]);
  if (unitPrice === undefined) {
    const unknown = { quantity, included, billable: over, unitPrice: null, per: one, amount: null };
    return {
      lines: [lineOf(unknown)],
      unpriced: [model === undefined ? meter : `${meter}/${model}`],
      blocked: [],
    };
  }
  const charges = chargesFor(unitPrice, over, unit.size, digits);
  return priced(
    charges.map(({ used, billable, unitPrice, per, amount }, tier) => {
      const first = tier === 0;
      const part = {
        quantity: first ? used.plus(included) : used,
        included: first ? included : zero,
        billable,
        unitPrice,
        per,
        amount,
      };
      const text = charges.length > 1 ? `${description}, tier ${tier + 1}` : description;
      return lineOf(part, text, `${item.period.from} ${key} ${tier}`);
    }),
  );
}

type LinePart = Pick<PricedLine, 'quantity' | 'included' | 'billable' | 'unitPrice' | 'per' | 'amount'>;

const priced = (lines: readonly PricedLine[]): Priced => ({ lines, unpriced: [], blocked: [] });
