import { chargesFor } from './charge';
import { periodText } from './days';
import { Decimal, zero } from './decimal';
import type { Segment } from './month-terms';
import type { Position } from './positions';
import type { PricedLine } from './priced-line';
import { isFree } from './rate';
import { isInference, labelOf, unitOf, type BillingUnit } from './units';

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
  const line = {
    id: `${position.period.from} ${key}`,
    kind: 'usage' as const,
    meter,
    model,
    period,
    description: labelOf(meter, model),
    unit,
    quantity,
    included,
  };
  const none = { unpriced: [], blocked: [] };
  const free = { billable: zero, unitPrice: zero, per: new Decimal(1), amount: zero };

  const blocks = segment.atQuota === 'block' && !isInference(meter) && !(rate !== undefined && isFree(rate));
  if (blocks) {
    if (over.isZero()) return { ...none, lines: [{ ...line, ...free }] };
    const description = `${line.description} (over the quota, not charged)`;
    const blocked = [{ name: position.allowance ?? line.description, unit, over }];
    return { ...none, blocked, lines: [{ ...line, ...free, description }] };
  }
  if (rate === undefined) {
    if (over.isZero()) return { ...none, lines: [{ ...line, ...free }] };
    const unknown = { billable: over, unitPrice: null, per: new Decimal(1), amount: null };
    return { ...none, unpriced: [key], lines: [{ ...line, ...unknown }] };
  }
  const charges = chargesFor(rate, over, unit.size, digits);
  return {
    ...none,
    lines: charges.map(({ used, ...charge }, tier) => ({
      ...line,
      ...charge,
      id: `${line.id} ${tier}`,
      description: charges.length > 1 ? `${line.description}, tier ${tier + 1}` : line.description,
      quantity: tier === 0 ? used.plus(included) : used,
      included: tier === 0 ? included : zero,
    })),
  };
}
