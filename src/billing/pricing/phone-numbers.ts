import { inForce, type Catalog } from '../catalog/catalog';
import type { PricedLine } from '../invoice/priced-line';
import type { PhoneNumbers } from '../project/project';
import { cutAt, daysOf, periodText, type Period } from './days';
import { Decimal, one, roundMoney, zero } from './decimal';
import type { NumberPrice, PricingPeriod } from './prices-by-day';
import type { Priced } from './price-usage';

export const PHONE_NUMBER_LABELS = {
  usLocal: 'US local phone numbers',
  usTollFree: 'US toll-free phone numbers',
} as const;
const KINDS = ['usLocal', 'usTollFree'] as const;

/**
 * The cost of rented phone numbers in a pricing period, prorated by days like the plan's fee. There
 * is one line for each run of days with the same count and price.
 */
export function phoneNumberLines(
  catalog: Catalog,
  pricingPeriod: PricingPeriod,
  rented: readonly PhoneNumbers[],
): Priced {
  const sorted = rented.toSorted((a, b) => (a.from < b.from ? -1 : 1));
  const parts = KINDS.flatMap((kind) => {
    // A row that changes only the other kind splits nothing here.
    const changes = sorted.filter((row, at) => (row[kind] ?? 0) !== (sorted[at - 1]?.[kind] ?? 0));
    const beginnings = changes.map(({ from }) => from);
    return pricingPeriod.numberPricesFor(kind).flatMap(({ period: priced, unitPrice }) =>
      cutAt(priced, beginnings).flatMap((period) => {
        const count = inForce(changes, period.from)?.[kind] ?? 0;
        return count === 0 ? [] : [partOf(catalog, pricingPeriod, kind, period, count, unitPrice)];
      }),
    );
  });
  return {
    lines: parts.flatMap((part) => part.lines),
    unpriced: parts.flatMap((part) => part.unpriced),
    blocked: parts.flatMap((part) => part.blocked),
  };
}

function partOf(
  { minorDigits }: Catalog,
  { atQuota, monthDays }: PricingPeriod,
  kind: (typeof KINDS)[number],
  period: Period,
  count: number,
  { price, included: free }: NumberPrice,
): Priced {
  const days = daysOf(period);
  const isWhole = days === monthDays;
  const times = isWhole ? 1 : days;
  const per = new Decimal(isWhole ? 1 : monthDays);
  const unit = { name: isWhole ? 'month' : 'day', size: one };
  const quantity = new Decimal(count).times(times);
  const included = Decimal.min(quantity, new Decimal(free).times(times));
  const over = quantity.minus(included);
  const about = {
    id: `${period.from} phone ${kind}`,
    kind: 'plan' as const,
    period: isWhole ? undefined : periodText(period),
    ...{ unit, quantity, included },
  };
  if (over.isZero() || atQuota === 'block') {
    const isOver = !over.isZero();
    const description = isOver
      ? `${PHONE_NUMBER_LABELS[kind]} (over the quota, not charged)`
      : PHONE_NUMBER_LABELS[kind];
    return {
      lines: [{ ...about, description, billable: zero, unitPrice: zero, per: one, amount: zero }],
      unpriced: [],
      blocked: isOver ? [{ name: PHONE_NUMBER_LABELS[kind], unit, over }] : [],
    };
  }
  const charged: PricedLine = {
    ...about,
    description: PHONE_NUMBER_LABELS[kind],
    billable: over,
    unitPrice: price ?? null,
    per,
    amount: price === undefined ? null : roundMoney(over.times(price).div(per), minorDigits),
  };
  return { lines: [charged], unpriced: price === undefined ? [`phoneNumbers.${kind}`] : [], blocked: [] };
}
