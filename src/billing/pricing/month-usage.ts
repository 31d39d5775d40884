import { TallymanError } from '../../lib/errors';
import { periodOfMonth, type Period } from './days';
import { Decimal, zero } from './decimal';
import { monthOf, splitLateField } from '../../rating/month';

/** A project's stored totals of a month, in base units. */
export interface StoredMonth {
  /** By meter key. Late usage of an earlier month is under `<YYYY-MM>@<meter key>`. */
  readonly totals: ReadonlyMap<string, bigint>;
  /**
   * By `YYYY-MM-DD/<meter key>`. The day is that of the usage, so late usage is under an earlier
   * day.
   */
  readonly daily?: ReadonlyMap<string, bigint>;
}

/** All usage of one month, whenever it arrived. */
export interface MonthUsage {
  readonly month: string;
  /** By meter key. */
  readonly totals: ReadonlyMap<string, bigint>;
  readonly daily: ReadonlyMap<string, bigint>;
}

const dailyField = /^\d{4}-\d{2}-\d{2}\//;

/**
 * The other months whose late usage this month contains, in order. If the days are known, they
 * decide: late usage and late voids may add up to nothing, so that no total is left, while some
 * days cost more than others.
 */
export function lateMonthsIn(month: string, { totals, daily }: StoredMonth): string[] {
  const months = new Set<string>();
  for (const field of totals.keys()) {
    const late = splitLateField(field);
    if (late !== undefined) months.add(late.month);
  }
  for (const field of daily?.keys() ?? []) {
    if (!field.startsWith(month) && dailyField.test(field)) months.add(monthOf(field));
  }
  return [...months].sort();
}

/**
 * All usage of `month`: its own totals, and the late usage that later months in `stored` contain.
 */
export function usageOfMonth(month: string, stored: ReadonlyMap<string, StoredMonth>): MonthUsage {
  const totals = new Map<string, bigint>();
  const daily = new Map<string, bigint>();
  for (const [arrival, { totals: arrived, daily: arrivedDaily }] of stored) {
    if (arrival < month) continue;
    for (const [field, quantity] of arrived) {
      const { month: origin, key } = splitLateField(field) ?? { month: arrival, key: field };
      if (origin === month) add(totals, key, quantity);
    }
    for (const [field, quantity] of arrivedDaily ?? []) {
      if (field.startsWith(`${month}-`)) add(daily, field, quantity);
    }
  }
  return { month, totals, daily };
}

function add(totals: Map<string, bigint>, key: string, quantity: bigint): void {
  totals.set(key, (totals.get(key) ?? 0n) + quantity);
}

/**
 * The usage of one meter in a part of the month. Days are used only if the month is split. They
 * must then add up to the total, or else a plan change would make usage appear or vanish.
 */
export function quantityIn(usage: MonthUsage, key: string, period: Period): Decimal {
  const total = usage.totals.get(key) ?? 0n;
  const whole = periodOfMonth(usage.month);
  if (period.from === whole.from && period.to === whole.to) return decimalOf(total);
  let inMonth = 0n;
  let inPeriod = 0n;
  for (let number = 1; number <= Number(whole.to.slice(8)); number++) {
    const day = `${usage.month}-${String(number).padStart(2, '0')}`;
    const quantity = usage.daily.get(`${day}/${key}`) ?? 0n;
    inMonth += quantity;
    if (day >= period.from && day <= period.to) inPeriod += quantity;
  }
  if (inMonth !== total) {
    throw new TallymanError(
      'DAILY_MISMATCH',
      `The days of ${usage.month} do not add up to its total of ${key}, so it cannot be split between plans or prices.`,
      { month: usage.month, meter: key, total: total.toString(), daily: inMonth.toString() },
    );
  }
  return decimalOf(inPeriod);
}

function decimalOf(quantity: bigint): Decimal {
  return quantity === 0n ? zero : new Decimal(quantity.toString());
}
