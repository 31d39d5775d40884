import { isInference, meterNames } from '../../rating/meters';
import { labelOf, unitOf, type BillingUnit } from '../pricing/units';
import type { Catalog } from '../catalog/catalog';
import { periodText } from '../pricing/days';
import { sum, zero, type Decimal } from '../pricing/decimal';
import type { PricingPeriod } from '../pricing/prices-by-day';
import type { MonthUsage } from '../pricing/month-usage';
import { usageItemsIn, type UsageItem } from '../pricing/usage-items';
import { priceUsage } from '../pricing/price-usage';
import { amountOf, moneyUnit, shownUnit } from '../invoice/priced-line';
import { isFree } from '../pricing/unit-price';

/**
 * What happens to usage beyond an included quantity: it is charged, it must be stopped, or it is
 * free.
 */
export type BeyondQuota = 'overage' | 'block' | 'free';

/**
 * An included quantity of a month or of a part of it, and how much of it was used. Decimal strings
 * in `unit`.
 */
export interface QuotaUsage {
  readonly name: string;
  /** The meters that share it. Empty for inference credits, since all of inference shares them. */
  readonly meters: readonly string[];
  /** The days that it is for if the month is split: `2026-05-01/2026-05-14`. */
  readonly period?: string;
  /** The unit of the invoice, or the currency for inference credits. */
  readonly unit: string;
  readonly used: string;
  readonly included: string;
  /** Never below 0. */
  readonly remaining: string;
  /** What exceeds `included`. */
  readonly over: string;
  readonly beyond: BeyondQuota;
}

/**
 * How a part of a month compares with what its plan includes. Allowances come first, then the
 * meters that have none.
 */
export function quotaUsage(
  catalog: Catalog,
  pricingPeriod: PricingPeriod,
  usage: MonthUsage,
  isWholeMonth: boolean,
): QuotaUsage[] {
  const items = usageItemsIn(pricingPeriod, usage);
  const period = isWholeMonth ? undefined : periodText(pricingPeriod.period);
  const quantityOf = (matches: (item: UsageItem) => boolean): Decimal =>
    sum(items.filter(matches).map(({ quantity }) => quantity));
  const shared = pricingPeriod.allowances.map(({ name, meters, included }) =>
    written(
      { name, meters, period, beyond: beyondOf(pricingPeriod, meters) },
      { unit: unitOf(meters[0]!), used: quantityOf(({ meter }) => meters.includes(meter)), included },
    ),
  );
  const inAllowance = new Set(pricingPeriod.allowances.flatMap(({ meters }) => meters));
  const alone = meterNames
    .filter((meter) => !isInference(meter) && !inAllowance.has(meter))
    .map((meter) =>
      written(
        { name: labelOf(meter), meters: [meter], period, beyond: beyondOf(pricingPeriod, [meter]) },
        { unit: unitOf(meter), used: quantityOf((item) => item.meter === meter), included: zero },
      ),
    );
  return [...shared, inferenceCredits(catalog, pricingPeriod, items, period), ...alone];
}

/** Money that all models of inference use up. */
function inferenceCredits(
  catalog: Catalog,
  pricingPeriod: PricingPeriod,
  items: readonly UsageItem[],
  period: string | undefined,
): QuotaUsage {
  const lines = items
    .filter(({ meter }) => isInference(meter))
    .flatMap((item) => priceUsage(item, pricingPeriod, catalog.minorDigits, period).lines);
  return written(
    { name: 'Inference credits', meters: [], period, beyond: pricingPeriod.atQuota },
    {
      unit: moneyUnit(catalog.currency),
      used: amountOf(lines),
      included: pricingPeriod.inferenceCredits,
      digits: catalog.minorDigits,
    },
  );
}

function beyondOf(pricingPeriod: PricingPeriod, meters: readonly string[]): BeyondQuota {
  const prices = meters.flatMap((meter) => pricingPeriod.unitPricesFor(meter));
  const areFree = prices.every(({ unitPrice }) => unitPrice !== undefined && isFree(unitPrice));
  return areFree ? 'free' : pricingPeriod.atQuota;
}

function written(
  { period, ...about }: Pick<QuotaUsage, 'name' | 'meters' | 'beyond'> & { period: string | undefined },
  {
    unit: billed,
    used,
    included,
    digits,
  }: { unit: BillingUnit; used: Decimal; included: Decimal; digits?: number },
): QuotaUsage {
  const unit = shownUnit(billed, [used, included]);
  const inUnit = (quantity: Decimal): string =>
    quantity.div(unit.size).toFixed(...(digits === undefined ? [] : [digits]));
  const left = included.minus(used);
  return {
    ...about,
    ...(period !== undefined && { period }),
    unit: unit.name,
    used: inUnit(used),
    included: inUnit(included),
    remaining: inUnit(left.isNegative() ? zero : left),
    over: inUnit(left.isNegative() ? left.neg() : zero),
  };
}
