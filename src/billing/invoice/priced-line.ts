import { one, sum, zero, type Decimal } from '../pricing/decimal';
import type { InvoiceLine, LineKind } from './invoice';
import { second, type BillingUnit } from '../pricing/units';

/** A line before it is formatted, with exact numbers, and quantities in base units. */
export interface PricedLine {
  /** Finds the same line in another pricing of the same month. */
  readonly id: string;
  readonly kind: LineKind;
  readonly meter?: string | undefined;
  readonly model?: string | undefined;
  /** Only for a part of the month, or for another month. */
  readonly period?: string | undefined;
  readonly description: string;
  readonly unit: BillingUnit;
  readonly quantity: Decimal;
  readonly included: Decimal;
  readonly billable: Decimal;
  /** null if there is no price. */
  readonly unitPrice: Decimal | null;
  /** The number of billing units that the price is for. */
  readonly per: Decimal;
  readonly amount: Decimal | null;
}

const minusOne = one.neg();

export function moneyUnit(currency: string): BillingUnit {
  return { name: currency, size: one };
}

/** A line that has only an amount. `sign` -1 deducts it. */
export function moneyLine(
  line: Pick<PricedLine, 'id' | 'kind' | 'description' | 'period'>,
  currency: string,
  amount: Decimal,
  sign: 1 | -1,
): PricedLine {
  return {
    id: line.id,
    kind: line.kind,
    meter: undefined,
    model: undefined,
    period: line.period,
    description: line.description,
    unit: moneyUnit(currency),
    quantity: amount,
    included: zero,
    billable: amount,
    unitPrice: sign === 1 ? one : minusOne,
    per: one,
    amount: sign === 1 ? amount : amount.neg(),
  };
}

/**
 * Formats a line in its billing unit. Seconds that are not whole minutes have no finite decimal in
 * minutes. Such a line counts seconds, and its price is for 60 times as many, so that it stays
 * exact.
 */
export function writtenLine(line: PricedLine, currency: string, digits: number): InvoiceLine {
  const money = line.unit.name === currency;
  const unit = shownUnit(line.unit, [line.quantity, line.included, line.billable]);
  const shown = (quantity: Decimal): string => {
    if (money) return quantity.toFixed(digits);
    return (unit.size.eq(one) ? quantity : quantity.div(unit.size)).toFixed();
  };
  const about: { meter?: string; model?: string; period?: string } = {};
  if (line.meter !== undefined) about.meter = line.meter;
  if (line.model !== undefined) about.model = line.model;
  if (line.period !== undefined) about.period = line.period;
  return {
    kind: line.kind,
    ...about,
    description: line.description,
    unit: unit.name,
    quantity: shown(line.quantity),
    included: shown(line.included),
    billable: shown(line.billable),
    unitPrice: line.unitPrice?.toFixed() ?? null,
    per: (unit === line.unit ? line.per : line.per.times(line.unit.size).div(unit.size)).toFixed(),
    amount: line.amount?.toFixed(digits) ?? null,
  };
}

/** The unit in which all of these base quantities can be written exactly. */
export function shownUnit(unit: BillingUnit, quantities: readonly Decimal[]): BillingUnit {
  const whole = unit.name !== 'minute' || quantities.every((quantity) => quantity.mod(unit.size).isZero());
  return whole ? unit : second;
}

/** The sum of the lines. Lines without a price count as 0. */
export function amountOf(lines: readonly PricedLine[]): Decimal {
  return sum(lines.map((line) => line.amount ?? zero));
}

/** True for a difference of nothing, and for a credit that was not used. */
export function changesNothing({ quantity, included, billable, amount }: PricedLine): boolean {
  return [quantity, included, billable, amount].every((number) => number?.isZero() ?? false);
}
