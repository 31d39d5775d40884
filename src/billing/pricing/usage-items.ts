import { splitMeterKey } from '../../rating/meters';
import type { UnitPrice } from '../catalog/catalog';
import type { Period } from './days';
import { Decimal, sum, zero } from './decimal';
import type { PricingPeriod } from './prices-by-day';
import { quantityIn, type MonthUsage } from './month-usage';
import { inInvoiceOrder } from './units';

export interface UsageItem {
  /** The key under which the catalog lists it. */
  readonly key: string;
  readonly meter: string;
  readonly model: string | undefined;
  readonly period: Period;
  readonly unitPrice: UnitPrice | undefined;
  /** In base units, like `included`. */
  readonly quantity: Decimal;
  readonly included: Decimal;
  readonly allowance: string | undefined;
}

/**
 * The usage of a pricing period in the order of the invoice, each item with its share of the
 * included quantities.
 */
export function usageItemsIn(pricingPeriod: PricingPeriod, usage: MonthUsage): UsageItem[] {
  const names = namesIn(pricingPeriod, usage);
  const items = inInvoiceOrder(names.keys()).flatMap((key) =>
    used(pricingPeriod, usage, key, names.get(key)!),
  );
  const left = new Map(pricingPeriod.allowances.map((allowance) => [allowance.name, allowance.included]));
  const turns = turnsIn(pricingPeriod);
  // Meters that share an allowance use it up in the order of the allowance, which may differ from
  // that of the invoice.
  const byTurn = items
    .filter(({ meter }) => turns.has(meter))
    .sort((a, b) => turns.get(a.meter)!.turn - turns.get(b.meter)!.turn);
  for (const item of byTurn) {
    const { allowance } = turns.get(item.meter)!;
    item.allowance = allowance;
    item.included = Decimal.min(item.quantity, left.get(allowance)!);
    left.set(allowance, left.get(allowance)!.minus(item.included));
  }
  return items;
}

type Used = { -readonly [Field in keyof UsageItem]: UsageItem[Field] };

/**
 * Usage by the key that the catalog lists. Usage under several names of a model is one usage, and
 * shares the model's tiers, packages and line.
 */
function namesIn(pricingPeriod: PricingPeriod, usage: MonthUsage): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const [key, quantity] of usage.totals) {
    if (quantity === 0n) continue;
    const listed = pricingPeriod.listed(key);
    const known = names.get(listed);
    if (known === undefined) names.set(listed, [key]);
    else known.push(key);
  }
  return names;
}

/**
 * The usage of one meter, with a part for each of its prices. Nothing is marked as included yet.
 */
function used(
  pricingPeriod: PricingPeriod,
  usage: MonthUsage,
  key: string,
  names: readonly string[],
): Used[] {
  // A single name is shown as it is. Several names are shown as the model's own name.
  const { meter, model } = splitMeterKey(names.length === 1 ? names[0]! : key);
  const parts: Used[] = [];
  for (const { period, unitPrice } of pricingPeriod.unitPricesFor(key)) {
    const quantity = sum(names.map((name) => quantityIn(usage, name, period)));
    if (quantity.isZero()) continue;
    parts.push({ key, meter, model, period, unitPrice, quantity, included: zero, allowance: undefined });
  }
  return parts;
}

/** Which allowance a meter uses up, and its place in the order. */
function turnsIn(pricingPeriod: PricingPeriod): Map<string, { allowance: string; turn: number }> {
  const turns = new Map<string, { allowance: string; turn: number }>();
  for (const { name, meters } of pricingPeriod.allowances) {
    meters.forEach((meter, turn) => turns.set(meter, { allowance: name, turn }));
  }
  return turns;
}
