import { isInference } from '../../rating/meters';
import type { Catalog } from '../catalog/catalog';
import { periodText } from './days';
import { Decimal, roundMoney, sum, zero } from './decimal';
import type { PricingPeriod } from './prices-by-day';
import { phoneNumberLines } from './phone-numbers';
import type { PhoneNumbers } from '../project/project';
import type { MonthUsage } from './month-usage';
import { usageItemsIn } from './usage-items';
import { priceUsage, type Priced } from './price-usage';
import { amountOf, moneyLine, moneyUnit, type PricedLine } from '../invoice/priced-line';

/** Prices each pricing period on its own. Only a minimum spend depends on the whole month. */
export function priceMonth(
  catalog: Catalog,
  pricingPeriods: readonly PricingPeriod[],
  usage: MonthUsage,
  phoneNumbers: readonly PhoneNumbers[] = [],
): Priced {
  const prices = pricingPeriods.map((pricingPeriod) => {
    const period = pricingPeriods.length > 1 ? periodText(pricingPeriod.period) : undefined;
    return pricePeriod(catalog, pricingPeriod, usage, period);
  });
  const numbers = pricingPeriods.map((pricingPeriod) =>
    phoneNumberLines(catalog, pricingPeriod, phoneNumbers),
  );
  const rented = numbers.flatMap((part) => part.lines);
  const lines = [...prices.flatMap((price) => price.lines), ...rented];
  return {
    lines: [...lines, minimumLine(catalog, pricingPeriods, amountOf(lines))],
    unpriced: [...new Set([...prices, ...numbers].flatMap((price) => price.unpriced))],
    blocked: [...prices, ...numbers].flatMap((price) => price.blocked),
  };
}

function minimumLine(
  catalog: Catalog,
  pricingPeriods: readonly PricingPeriod[],
  charged: Decimal,
): PricedLine {
  const shares = sum(pricingPeriods.map(({ minimumSpend, days }) => minimumSpend.times(days)));
  const minimum = roundMoney(shares.div(pricingPeriods[0]!.monthDays), catalog.minorDigits);
  const missing = Decimal.max(0, minimum.minus(charged));
  const description = `Up to the minimum spend of ${minimum.toFixed(catalog.minorDigits)}`;
  return moneyLine({ id: 'minimum', kind: 'plan', description }, catalog.currency, missing, 1);
}

function pricePeriod(
  catalog: Catalog,
  pricingPeriod: PricingPeriod,
  usage: MonthUsage,
  period: string | undefined,
): Priced {
  const { currency, minorDigits } = catalog;
  const priced = usageItemsIn(pricingPeriod, usage).map((item) =>
    priceUsage(item, pricingPeriod, minorDigits, period),
  );
  const usageLines = priced.flatMap((price) => price.lines);
  const inference = amountOf(usageLines.filter((line) => isInference(line.meter!)));
  const credit = Decimal.min(inference, pricingPeriod.inferenceCredits);
  const uncharged = pricingPeriod.atQuota === 'block' ? inference.minus(credit) : zero;
  const takenOff = (id: string, description: string, amount: Decimal): PricedLine => {
    const line = { id: `${pricingPeriod.period.from} ${id}`, kind: 'credit' as const, description, period };
    return moneyLine(line, currency, amount, -1);
  };
  const overCredits = { name: 'Inference credits', unit: moneyUnit(currency), over: uncharged };
  return {
    lines: [
      feeLine(pricingPeriod, minorDigits, period),
      ...usageLines,
      takenOff('credits', 'Inference credits of the plan', credit),
      takenOff('uncharged', 'Inference over the quota, not charged', uncharged),
    ],
    unpriced: priced.flatMap((price) => price.unpriced),
    blocked: [...priced.flatMap((price) => price.blocked), ...(uncharged.isZero() ? [] : [overCredits])],
  };
}

function feeLine(pricingPeriod: PricingPeriod, digits: number, period: string | undefined): PricedLine {
  const whole = pricingPeriod.days === pricingPeriod.monthDays;
  const quantity = new Decimal(whole ? 1 : pricingPeriod.days);
  const per = new Decimal(whole ? 1 : pricingPeriod.monthDays);
  return {
    id: `${pricingPeriod.period.from} plan`,
    kind: 'plan',
    period,
    description: `${pricingPeriod.planName} plan`,
    unit: { name: whole ? 'month' : 'day', size: new Decimal(1) },
    quantity,
    included: zero,
    billable: quantity,
    unitPrice: pricingPeriod.fee,
    per,
    amount: roundMoney(pricingPeriod.fee.times(quantity).div(per), digits),
  };
}
