import { RefusedError } from '../errors';
import type { BillingCalendar } from '../rating/billing-calendar';

/** What the close must know to decide which months it may close. */
export interface CloseState {
  /** Months that are closed already, in any order. */
  readonly closedMonths: readonly string[];
  /** Those of them with invoices still to issue: drafts, or the close was killed. In any order. */
  readonly unfinishedMonths: readonly string[];
  /** Open months that hold usage, in any order. */
  readonly openMonthsWithUsage: readonly string[];
}

/**
 * The months to close, in order: closed ones with invoices still to issue, then those that are over, grace included, and
 * not yet closed: from the earliest that holds usage or follows a close.
 */
export function dueMonths(
  state: CloseState,
  nowMs: number,
  graceMs: number,
  calendar: BillingCalendar,
): string[] {
  const latestClosed = latest(state.closedMonths);
  const starts = [...state.openMonthsWithUsage];
  if (latestClosed !== undefined) starts.push(calendar.nextMonth(latestClosed));
  // With no usage and no close there is nothing to begin from but the month that ended last: it bills the plans' fees.
  const lastOver = calendar.previousMonth(calendar.monthOfMs(nowMs));
  const months = [...state.unfinishedMonths].sort();
  for (let month = earliest(starts) ?? lastOver; isOver(month, nowMs, graceMs, calendar);) {
    if (latestClosed === undefined || month > latestClosed) months.push(month);
    month = calendar.nextMonth(month);
  }
  return months;
}

/**
 * Checks that `month` may be closed now. A month that is closed already may be: the close is repeatable.
 *
 * @throws RefusedError `MONTH_NOT_OVER`, `EARLIER_MONTH_OPEN` or `MONTH_PASSED`
 */
export function checkMayClose(
  month: string,
  state: CloseState,
  nowMs: number,
  graceMs: number,
  calendar: BillingCalendar,
): void {
  if (state.closedMonths.includes(month)) return;
  if (!isOver(month, nowMs, graceMs, calendar)) {
    const endsAt = new Date(calendar.monthEnd(month) + graceMs).toISOString();
    throw new RefusedError(
      'MONTH_NOT_OVER',
      `${month} may be closed from ${endsAt} (its end in ${calendar.zone}, and the grace period). --now rehearses another clock`,
      { month, endsAt },
    );
  }
  const latestClosed = latest(state.closedMonths);
  if (latestClosed !== undefined && month < latestClosed) {
    throw new RefusedError(
      'MONTH_PASSED',
      `${month} lies before ${latestClosed}, which is closed: its usage is billed as late usage of an open month`,
      { month, latestClosed },
    );
  }
  const first = earliest(
    latestClosed === undefined
      ? state.openMonthsWithUsage
      : [...state.openMonthsWithUsage, calendar.nextMonth(latestClosed)],
  );
  if (first !== undefined && first < month) {
    throw new RefusedError('EARLIER_MONTH_OPEN', `${first} is still open: close it before ${month}`, {
      month,
      earlierMonth: first,
    });
  }
}

function isOver(month: string, nowMs: number, graceMs: number, calendar: BillingCalendar): boolean {
  return calendar.monthEnd(month) + graceMs <= nowMs;
}

function earliest(months: readonly string[]): string | undefined {
  return [...months].sort()[0];
}

function latest(months: readonly string[]): string | undefined {
  return [...months].sort().at(-1);
}
