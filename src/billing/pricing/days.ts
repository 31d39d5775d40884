import { daysIn } from '../../rating/month';

/**
 * Days (`YYYY-MM-DD`) and months (`YYYY-MM`) are text, which sorts by time. No zone is needed here,
 * because usage already has its day in the billing zone.
 */

/** Both ends are inclusive. */
export interface Period {
  readonly from: string;
  readonly to: string;
}

export function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && dayText(Date.parse(`${text}T00:00:00Z`)) === text;
}

export function periodOfMonth(month: string): Period {
  return { from: `${month}-01`, to: `${month}-${daysIn(month)}` };
}

export function dayBefore(day: string): string {
  return dayText(Date.parse(`${day}T00:00:00Z`) - 86_400_000);
}

/** Both days must be in the same month. */
export function daysOf(period: Period): number {
  return Number(period.to.slice(8)) - Number(period.from.slice(8)) + 1;
}

/** As an invoice line names it, which is ISO 8601's interval of days. */
export function periodText({ from, to }: Period): string {
  return `${from}/${to}`;
}

/** Cuts a period into pieces. Each of the given days starts a new piece. */
export function cutAt(period: Period, beginnings: Iterable<string>): Period[] {
  const starts = [...new Set([period.from, ...beginnings])]
    .filter((day) => day >= period.from && day <= period.to)
    .sort();
  return starts.map((from, i) => {
    const next = starts[i + 1];
    return { from, to: next === undefined ? period.to : dayBefore(next) };
  });
}

function dayText(ms: number): string {
  return Number.isNaN(ms) ? '' : new Date(ms).toISOString().slice(0, 10);
}
