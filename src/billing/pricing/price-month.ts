import { isInference } from '../../rating/meters';
import type { Catalog } from '../catalog/catalog';
import { periodText } from './days';
import { Decimal, roundMoney, sum, zero } from './decimal';
import type { Segment } from './month-terms';
import type { MonthUsage } from './month-usage';
import { positionsIn } from './usage-items';
import { priceUsage, type Priced } from './price-usage';
import { amountOf, moneyLine, moneyUnit, type PricedLine } from '../invoice/priced-line';

/** Prices a month's usage by its segments, each on its own; only a minimum spend looks at the month as a whole. */
export function priceMonth(catalog: Catalog, segments: readonly Segment[], usage: MonthUsage): Priced {
  const prices = segments.map((segment) => {
    const period = segments.length > 1 ? periodText(segment.period) : undefined;
    return priceSegment(catalog, segment, usage, period);
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

function priceSegment(
  catalog: Catalog,
  segment: Segment,
  usage: MonthUsage,
  period: string | undefined,
): Priced {
  const { currency, minorDigits } = catalog;
  const priced = positionsIn(segment, usage).map((position) =>
    priceUsage(position, segment, minorDigits, period),
  );
  const usageLines = priced.flatMap((price) => price.lines);
  const inference = amountOf(usageLines.filter((line) => isInference(line.meter!)));
  const credit = Decimal.min(inference, segment.inferenceCredits);
  const uncharged = segment.atQuota === 'block' ? inference.minus(credit) : zero;
  const takenOff = (id: string, description: string, amount: Decimal): PricedLine => {
    const line = { id: `${segment.period.from} ${id}`, kind: 'credit' as const, description, period };
    return moneyLine(line, currency, amount, -1);
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

function feeLine(segment: Segment, digits: number, period: string | undefined): PricedLine {
  const whole = segment.days === segment.monthDays;
  const quantity = new Decimal(whole ? 1 : segment.days);
  const per = new Decimal(whole ? 1 : segment.monthDays);
  return {
    id: `${segment.period.from} plan`,
    kind: 'plan',
    period,
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
