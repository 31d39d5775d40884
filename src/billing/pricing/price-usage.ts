import { isInference } from '../../rating/meters';
import { chargesFor } from './charge';
import { periodText } from './days';
import { one, zero, type Decimal } from './decimal';
import type { Segment } from './month-terms';
import type { Position } from './usage-items';
import type { PricedLine } from '../invoice/priced-line';
import { isFree } from './unit-price';
import { labelOf, unitOf, type BillingUnit } from './units';

/** What usage costs under its terms: a function of the usage alone, whenever that arrived. */
export interface Priced {
  readonly lines: readonly PricedLine[];
  /** Meter keys without a price, in the order of the lines. */
  readonly unpriced: readonly string[];
  readonly blocked: readonly Blocked[];
}

/** Usage past the quota of a plan that blocks there: not charged. Base units, or money for inference. */
export interface Blocked {
  readonly name: string;
  readonly unit: BillingUnit;
  readonly over: Decimal;
}

/** Prices one position: a line, or one for each tier it reaches. `segmentPeriod`: the segment's days, if it is a part of a month. */
export function priceUsage(
  position: Position,
  segment: Segment,
  digits: number,
  segmentPeriod: string | undefined,
): Priced {
  const { key, meter, model, quantity, included, rate } = position;
  const unit = unitOf(meter);
  const over = quantity.minus(included);
  const inParts = position.period.from !== segment.period.from || position.period.to !== segment.period.to;
  const period = inParts ? periodText(position.period) : segmentPeriod;
  const description = labelOf(meter, model);
  // Written out field by field: spreading objects into one another takes half the time of a close.
  const lineOf = (part: LinePart, text = description, id = `${position.period.from} ${key}`): PricedLine => ({
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

  const blocks = segment.atQuota === 'block' && !isInference(meter) && !(rate !== undefined && isFree(rate));
  if (blocks && !over.isZero()) {
    const blocked = [{ name: position.allowance ?? description, unit, over }];
    return {
      lines: [lineOf(uncharged, `${description} (over the quota, not charged)`)],
      unpriced: [],
      blocked,
    };
  }
  if (blocks || (rate === undefined && over.isZero())) return priced([lineOf(uncharged)]);
  if (rate === undefined) {
    const unknown = { quantity, included, billable: over, unitPrice: null, per: one, amount: null };
    return {
      lines: [lineOf(unknown)],
      unpriced: [model === undefined ? meter : `${meter}/${model}`],
      blocked: [],
    };
  }
  const charges = chargesFor(rate, over, unit.size, digits);
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
      return lineOf(part, text, `${position.period.from} ${key} ${tier}`);
    }),
  );
}

type LinePart = Pick<PricedLine, 'quantity' | 'included' | 'billable' | 'unitPrice' | 'per' | 'amount'>;

const priced = (lines: readonly PricedLine[]): Priced => ({ lines, unpriced: [], blocked: [] });
