import { daysIn } from '../../../rating/month';
import { isInference, meterRow, splitMeterKey } from '../../../rating/meters';
import { METER_GROUPS } from '../../../rating/meter-table';
import type { InvoiceLine } from '../../../billing/invoice/invoice';
import { Decimal, roundMoney, sum, zero } from '../../../billing/pricing/decimal';
import { unitOf, unitSize } from '../../../billing/pricing/units';
import type { MonthView } from '../month-view';

/** Each day of a month in parts that are stacked upon each other. */
export interface Stacks {
  /** From the bottom up. */
  readonly series: readonly Series[];
  readonly days: readonly Day[];
  /** The index of the day on which the allowance was used up. */
  readonly usedUpOn?: number;
}

export interface Series {
  readonly name: string;
  /** Whether the plan covers it: it is not billed. */
  readonly isCovered: boolean;
  /** The number of its colour. A product has the same one in every month. */
  readonly colour: number;
}

export interface Day {
  readonly day: string;
  /** One for each series. */
  readonly values: readonly Decimal[];
}

/** What the page needs of a month for its charts. */
export type ChartedMonth = Pick<MonthView, 'month' | 'input' | 'invoice' | 'pricingPeriods' | 'quotas'>;

type Lines = Pick<InvoiceLine, 'quantity' | 'included' | 'billable' | 'unitPrice' | 'per' | 'amount'>[];

const daysOfMonth = (month: string): string[] =>
  Array.from({ length: daysIn(month) }, (_, i) => `${month}-${String(i + 1).padStart(2, '0')}`);

/**
 * What each day's usage cost, by product, and what the plan covered of it at the plan's prices.
 *
 * An allowance covers the first usage of its period, so a day is charged for what exceeds it. The
 * charges of all days amount to the usage lines less the plan's credits: only usage has a day, so
 * fee, tax, late usage and corrections are not among them.
 */
export function dailyCost(view: ChartedMonth): Stacks {
  const { month, input, pricingPeriods } = view;
  const { minorDigits } = input.catalog;
  const days = daysOfMonth(month);
  const covered = days.map(() => zero);
  const charged = new Map<string, Decimal[]>(
    [...METER_GROUPS, OTHER].map((group) => [group, days.map(() => zero)]),
  );
  for (const { meter, period, unit, lines } of linesByMeter(view)) {
    const quantities = period.quantities.map((quantity) => quantity.div(unit));
    const split = splitByDay(quantities, lines, minorDigits);
    const group = charged.get(meterRow(meter)?.group ?? OTHER)!;
    split.forEach(({ covered: free, charged: paid }, i) => {
      covered[i] = covered[i]!.plus(free);
      group[i] = group[i]!.plus(paid);
    });
  }
  const inference = charged.get('Inference')!;
  for (const { period, inferenceCredits } of pricingPeriods) {
    let left = inferenceCredits;
    days.forEach((day, i) => {
      if (day < period.from || day > period.to) return;
      const taken = Decimal.min(left, inference[i]!);
      left = left.minus(taken);
      inference[i] = inference[i]!.minus(taken);
      covered[i] = covered[i]!.plus(taken);
    });
  }
  const all = [
    {
      name: COVERED,
      isCovered: true,
      colour: 0,
      values: covered.map((value) => roundMoney(value, minorDigits)),
    },
    ...[...charged].map(([name, values], colour) => ({ name, isCovered: false, colour, values })),
  ];
  return stacked(days, all);
}

/** The product of a meter that a later version has counted. */
const OTHER = 'Other usage';
const COVERED = 'Covered by your plan';

interface MeterLines {
  readonly meter: string;
  /** Base units in the unit of the lines. */
  readonly unit: Decimal;
  /** By day of the month, in base units; 0 outside of the lines' period. */
  readonly period: { readonly quantities: readonly Decimal[] };
  readonly lines: Lines;
}

/** The usage lines with the usage by day that each is for. The tiers of a price share theirs. */
function linesByMeter(view: ChartedMonth): MeterLines[] {
  const { month, invoice } = view;
  const days = daysOfMonth(month);
  const byKey = dailyByListedKey(view);
  const found = new Map<string, MeterLines>();
  for (const line of invoice.lines) {
    if (line.kind !== 'usage' || line.meter === undefined) continue;
    const key = line.model === undefined ? line.meter : `${line.meter}/${line.model}`;
    const id = `${line.period ?? ''} ${key}`;
    const known = found.get(id);
    if (known !== undefined) {
      known.lines.push(line);
      continue;
    }
    const [from = '', to = ''] = (line.period ?? `${days[0]}/${days.at(-1)}`).split('/');
    const quantities = days.map((day) =>
      day < from || day > to ? zero : (byKey.get(key)?.get(day) ?? zero),
    );
    const unit = new Decimal(unitSize(line.unit).toString());
    found.set(id, { meter: line.meter, unit, period: { quantities }, lines: [line] });
  }
  return [...found.values()];
}

/** A model may be used under an alias. Its line has the name of the price list. */
function dailyByListedKey({ month, input, pricingPeriods }: ChartedMonth): Map<string, Map<string, Decimal>> {
  const byKey = new Map<string, Map<string, Decimal>>();
  for (const [field, quantity] of input.daily ?? []) {
    if (!field.startsWith(`${month}-`)) continue;
    const day = field.slice(0, 10);
    const key = pricingPeriods[0]?.listed(field.slice(11)) ?? field.slice(11);
    const days = byKey.get(key) ?? new Map<string, Decimal>();
    byKey.set(key, days.set(day, (days.get(day) ?? zero).plus(quantity.toString())));
  }
  return byKey;
}

/** Goes through the days: first through what a line includes, then through what it charges. */
function splitByDay(
  quantities: readonly Decimal[],
  lines: Lines,
  digits: number,
): { covered: Decimal; charged: Decimal }[] {
  const pieces = lines.flatMap(({ quantity, included, unitPrice, per, amount }) => [
    { size: new Decimal(included), worth: worthOf(included, unitPrice, per), isCovered: true },
    { size: new Decimal(quantity).minus(included), worth: new Decimal(amount ?? 0), isCovered: false },
  ]);
  const worthUpTo = (reached: Decimal, isCovered: boolean): Decimal => {
    let rest = reached;
    const parts = pieces.map((piece) => {
      const used = Decimal.min(rest, piece.size);
      rest = rest.minus(used);
      if (piece.isCovered !== isCovered || piece.size.isZero()) return zero;
      return piece.worth.times(used).div(piece.size);
    });
    return roundMoney(sum(parts), digits);
  };
  let reached = zero;
  let before = { covered: zero, charged: zero };
  return quantities.map((quantity) => {
    if (quantity.isZero()) return { covered: zero, charged: zero };
    reached = reached.plus(quantity);
    const after = { covered: worthUpTo(reached, true), charged: worthUpTo(reached, false) };
    const day = {
      covered: after.covered.minus(before.covered),
      charged: after.charged.minus(before.charged),
    };
    before = after;
    return day;
  });
}

const worthOf = (quantity: string, unitPrice: string | null, per: string): Decimal =>
  unitPrice === null ? zero : new Decimal(quantity).times(unitPrice).div(per);

/** A meter's usage by day in its billing unit: what an allowance covered, and what exceeds it. */
export function dailyUsage(view: ChartedMonth, meterKey: string): Stacks {
  const { month, input, quotas } = view;
  const { meter } = splitMeterKey(meterKey);
  const { size } = unitOf(meter);
  const days = daysOfMonth(month);
  const quantities = days.map((day) =>
    new Decimal(String(input.daily?.get(`${day}/${meterKey}`) ?? 0n)).div(size),
  );
  const included = isInference(meter) ? zero : includedOf(view, meter).div(size);
  let left = included;
  const covered = quantities.map((quantity) => {
    const taken = Decimal.min(left, quantity);
    left = left.minus(taken);
    return taken;
  });
  const isBlocked = quotas.some(({ meters, beyond }) => beyond === 'block' && meters.includes(meter));
  const exceeding = quantities.map((quantity, i) => quantity.minus(covered[i]!));
  const over = `Over the allowance, ${isBlocked ? 'not billed' : 'billed'}`;
  const usedUpOn = exceeding.findIndex((quantity) => quantity.gt(0));
  return {
    ...stacked(days, [
      { name: COVERED, isCovered: true, colour: 0, values: covered },
      { name: included.isZero() ? 'Used' : over, isCovered: false, colour: 0, values: exceeding },
    ]),
    ...(usedUpOn >= 0 && !included.isZero() && { usedUpOn }),
  };
}

/** What the plan includes for a meter alone, or what its lines took of a share, in base units. */
function includedOf({ invoice, quotas }: ChartedMonth, meter: string): Decimal {
  const own = quotas.filter(({ meters }) => meters.length === 1 && meters[0] === meter);
  const from =
    own.length > 0 ? own : invoice.lines.filter((line) => line.kind === 'usage' && line.meter === meter);
  return sum(from.map(({ included, unit }) => new Decimal(included).times(unitSize(unit).toString())));
}

/** Without the series that have nothing. The last one stays if that is all of them. */
function stacked(
  days: readonly string[],
  all: readonly (Series & { readonly values: readonly Decimal[] })[],
): Stacks {
  const some = all.filter(({ values }) => values.some((value) => !value.isZero()));
  const series = some.length > 0 ? some : all.slice(-1);
  return {
    series: series.map(({ name, isCovered, colour }) => ({ name, isCovered, colour })),
    days: days.map((day, i) => ({ day, values: series.map(({ values }) => values[i]!) })),
  };
}
