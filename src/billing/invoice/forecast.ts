import { splitMeterKey } from '../../rating/meters';
import { periodOfMonth } from '../pricing/days';
import type { StoredMonth } from '../pricing/month-usage';
import { unitOf, unitSize } from '../pricing/units';
import { isLateField } from '../../rating/month';

/**
 * What the current month will have used at its end if the rest continues like the beginning. The
 * projected part is rounded up to whole billing units and is placed on the last day. Late usage of
 * earlier months stays as it is.
 *
 * @param elapsedMs the part of the month so far, above 0
 * @param monthMs the whole month
 */
export function forecastUsage(
  month: string,
  { totals, daily }: StoredMonth,
  elapsedMs: number,
  monthMs: number,
): StoredMonth {
  const lastDay = periodOfMonth(month).to;
  const allTotals = new Map(totals);
  const allDaily = new Map(daily);
  for (const [key, quantity] of totals) {
    if (isLateField(key)) continue;
    const size = unitSize(unitOf(splitMeterKey(key).meter).name);
    const rest = ceilDiv(quantity * BigInt(monthMs - elapsedMs), BigInt(elapsedMs) * size) * size;
    const field = `${lastDay}/${key}`;
    allTotals.set(key, quantity + rest);
    allDaily.set(field, (allDaily.get(field) ?? 0n) + rest);
  }
  return { totals: allTotals, daily: allDaily };
}

function ceilDiv(dividend: bigint, divisor: bigint): bigint {
  return (dividend + divisor - 1n) / divisor;
}
