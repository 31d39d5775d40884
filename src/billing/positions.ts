import { splitMeterKey } from '../rating/meters';
import type { Rate } from './catalog';
import type { Period } from './days';
import { Decimal, zero } from './decimal';
import type { Segment } from './month-terms';
import { quantityIn, type MonthUsage } from './month-usage';
import { compareMeterKeys } from './units';

/** What was used of one meter at one price. */
export interface Position {
  readonly key: string;
  readonly meter: string;
  readonly model?: string;
  readonly period: Period;
  readonly rate: Rate | undefined;
  /** Base units, as is what of it is included. */
  readonly quantity: Decimal;
  readonly included: Decimal;
  readonly allowance: string | undefined;
}

/** A segment's usage in the order of the invoice, with each position's part of the included quantities. */
export function positionsIn(segment: Segment, usage: MonthUsage): Position[] {
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
