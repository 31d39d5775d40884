import { splitMeterKey } from '../rating/meters';
import type { Catalog, Rate } from './catalog';
import { chargesFor } from './charge';
import type { Period } from './days';
import { Decimal, roundMoney, sum, zero } from './decimal';
import type { Segment } from './month-terms';
import { quantityIn, type MonthUsage } from './month-usage';
import { moneyLine, moneyUnit, type PricedLine } from './priced-line';
import { isFree } from './rate';
import { compareMeterKeys, isInference, labelOf, unitOf, type BillingUnit } from './units';

/** What a month costs under its terms: a function of its usage alone, whenever that arrived. */
export interface MonthPrice {
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

/** Prices a month's usage by its segments, each on its own; only a minimum spend looks at the month as a whole. */
export function priceMonth(catalog: Catalog, segments: readonly Segment[], usage: MonthUsage): MonthPrice {
  const prices = segments.map((segment) => {
    const period = segments.length > 1 ? segment.period : undefined;
    return priceSegment(catalog, segment, positionsIn(segment, usage), period);
  });
  const lines = prices.flatMap((price) => price.lines);
  return {
    lines: [...lines, minimumLine(catalog, segments, amountOf(lines))],
    unpriced: [...new Set(prices.flatMap((price) => price.unpriced))],
    blocked: prices.flatMap((price) => price.blocked),
  };
}

function minimumLine(catalog: Catalog, segments: readonly Segment[], charged: Decimal): PricedLine {
  const shares = sum(segments.map(({ minimumSpend, days }) => minimumSpend.times(days)));
  const minimum = roundMoney(shares.div(segments[0]!.monthDays), catalog.minorDigits);
  const missing = Decimal.max(0, minimum.minus(charged));
  const description = `Up to the minimum spend of ${minimum.toFixed(catalog.minorDigits)}`;
  return moneyLine({ id: 'minimum', kind: 'plan', description }, catalog.currency, missing, 1);
}

/** What was used of one meter at one price. */
interface Position {
  readonly key: string;
  readonly meter: string;
  readonly model?: string;
  readonly period: Period;
  readonly rate: Rate | undefined;
  readonly quantity: Decimal;
  readonly included: Decimal;
  readonly allowance: string | undefined;
}

function positionsIn(segment: Segment, usage: MonthUsage): Position[] {
  const used = [...usage.totals.keys()].sort(compareMeterKeys).flatMap((key) =>
    segment
      .ratesFor(key)
      .map(({ period, rate }) => ({ key, ...splitMeterKey(key), period, rate }))
      .map((part) => ({ ...part, quantity: quantityIn(usage, key, part.period) }))
      .filter((part) => !part.quantity.isZero()),
  );
  const left = new Map(segment.allowances.map((allowance) => [allowance.name, allowance.included]));
  const owners = new Map(
    segment.allowances.flatMap(({ name, meters }) => meters.map((meter) => [meter, name])),
  );
  const turnOf = new Map(
    segment.allowances.flatMap(({ meters }) => meters.map((meter, turn) => [meter, turn])),
  );
  // Meters that share an allowance take from it in its own order, which need not be the invoice's.
  const taken = new Map<(typeof used)[number], Decimal>();
  for (const part of used.toSorted((a, b) => (turnOf.get(a.meter) ?? 0) - (turnOf.get(b.meter) ?? 0))) {
    const allowance = owners.get(part.meter);
    if (allowance === undefined) continue;
    const included = Decimal.min(part.quantity, left.get(allowance)!);
    left.set(allowance, left.get(allowance)!.minus(included));
    taken.set(part, included);
  }
  return used.map((part) => ({
    ...part,
    included: taken.get(part) ?? zero,
    allowance: owners.get(part.meter),
  }));
}

function priceSegment(
  catalog: Catalog,
  segment: Segment,
  positions: readonly Position[],
  period: Period | undefined,
): MonthPrice {
  const { currency, minorDigits } = catalog;
  const priced = positions.map((position) => priceUsage(position, segment, minorDigits, period));
  const usageLines = priced.flatMap((price) => price.lines);
  const inference = amountOf(usageLines.filter((line) => isInference(line.meter!)));
  const credit = Decimal.min(inference, segment.inferenceCredits);
  const uncharged = segment.atQuota === 'block' ? inference.minus(credit) : zero;
  const takenOff = (id: string, description: string, amount: Decimal): PricedLine => {
    const line = { id: `${segment.period.from} ${id}`, kind: 'credit' as const, description };
    return moneyLine(period === undefined ? line : { ...line, period }, currency, amount, -1);
  };
  const overCredits = { name: 'Inference credits', unit: moneyUnit(currency), over: uncharged };
  return {
    lines: [
      feeLine(segment, minorDigits, period),
      ...usageLines,
      takenOff('credits', 'Inference credits of the plan', credit),
      takenOff('uncharged', 'Inference over the quota, not charged', uncharged),
    ],
    unpriced: priced.flatMap((price) => price.unpriced),
    blocked: [...priced.flatMap((price) => price.blocked), ...(uncharged.isZero() ? [] : [overCredits])],
  };
}

function feeLine(segment: Segment, digits: number, period: Period | undefined): PricedLine {
  const whole = segment.days === segment.monthDays;
  const quantity = new Decimal(whole ? 1 : segment.days);
  const per = new Decimal(whole ? 1 : segment.monthDays);
  return {
    id: `${segment.period.from} plan`,
    kind: 'plan',
    ...(period === undefined ? {} : { period }),
    description: `${segment.planName} plan`,
    unit: { name: whole ? 'month' : 'day', size: new Decimal(1) },
    quantity,
    included: zero,
    billable: quantity,
    unitPrice: segment.fee,
    per,
    amount: roundMoney(segment.fee.times(quantity).div(per), digits),
  };
}

function priceUsage(
  position: Position,
  segment: Segment,
  digits: number,
  segmentPeriod: Period | undefined,
): MonthPrice {
  const { key, meter, model, quantity, included, rate } = position;
  const unit = unitOf(meter);
  const over = quantity.minus(included);
  const inParts = position.period.from !== segment.period.from || position.period.to !== segment.period.to;
  const period = inParts ? position.period : segmentPeriod;
  const line = {
    id: `${position.period.from} ${key}`,
    kind: 'usage' as const,
    meter,
    ...(model === undefined ? {} : { model }),
    ...(period === undefined ? {} : { period }),
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

function amountOf(lines: readonly PricedLine[]): Decimal {
  return sum(lines.map((line) => line.amount ?? zero));
}
