import { TallymanError } from '../lib/errors';
import type { BillingCalendar } from '../rating/billing-calendar';

/** What decides which months may be closed. */
export interface CloseState {
  /** Months that are closed: their record is published. In any order. */
  readonly closedMonths: readonly string[];
  /**
   * Closed months whose close was interrupted, so that their invoices come before all others. In
   * any order.
   */
  readonly interruptedMonths: readonly string[];
  /** Months that are frozen in a shard and have no published record. In any order. */
  readonly frozenMonths: readonly string[];
  /** Frozen months that were frozen before they ended, by the log: see `monthsFrozenTooEarly`. */
  readonly frozenTooEarly?: readonly string[];
  /**
   * Closed months with invoices still to issue: drafts, held projects, or an interrupted close. In
   * any order.
   */
  readonly unfinishedMonths: readonly string[];
  /** Open months that hold usage, in any order. */
  readonly openMonthsWithUsage: readonly string[];
}

/**
 * The months to close, in order: first closed months whose close was interrupted, then those with
 * drafts or held projects, then months that are over with their grace period and not closed yet,
 * from the earliest that holds usage or follows a close. While a month is frozen too early, only
 * closed months are due.
 */
export function dueMonths(
  state: CloseState,
  nowMs: number,
  graceMs: number,
  calendar: BillingCalendar,
): string[] {
  const latestClosed = latest(state.closedMonths);
  const starts = [...state.openMonthsWithUsage, ...state.frozenMonths];
  if (latestClosed !== undefined) starts.push(calendar.nextMonth(latestClosed));
  // Without usage and closes, the month that ended last is the first, because it bills the plans'
  // fees.
  const lastOver = calendar.previousMonth(calendar.monthOfMs(nowMs));
  const interrupted = new Set(state.interruptedMonths);
  const unfinished = state.unfinishedMonths.filter((month) => !interrupted.has(month));
  const months = [...[...interrupted].sort(), ...unfinished.sort()];
  if (firstFrozenTooEarly(state, nowMs, graceMs, calendar) !== undefined) return months;
  for (let month = earliest(starts) ?? lastOver; isOver(month, nowMs, graceMs, calendar);) {
    if (latestClosed === undefined || month > latestClosed) months.push(month);
    month = calendar.nextMonth(month);
  }
  return months;
}

/**
 * Checks that `month` may be closed now. A closed month may be closed again, because a close is
 * repeatable.
 *
 * An interrupted close comes before everything else, because its invoices have the date of its
 * first run, and a project's dates rise with its numbers. Drafts and held projects hold nothing
 * back.
 *
 * @throws TallymanError `MONTH_NOT_OVER`, `FROZEN_TOO_EARLY`, `EARLIER_MONTH_OPEN`,
 *   `MONTH_UNFINISHED` or `MONTH_PASSED`
 */
export function checkMayClose(
  month: string,
  state: CloseState,
  nowMs: number,
  graceMs: number,
  calendar: BillingCalendar,
): void {
  const interrupted = earliest(state.interruptedMonths);
  if (interrupted !== undefined && interrupted !== month) {
    throw new TallymanError(
      'MONTH_UNFINISHED',
      `The close of ${interrupted} was interrupted. Run \`tallyman close ${interrupted}\` first, which continues it`,
      { month, interrupted },
    );
  }
  if (state.closedMonths.includes(month)) return;
  checkNoneFrozenTooEarly(state, nowMs, graceMs, calendar);
  if (!isOver(month, nowMs, graceMs, calendar)) {
    const endsAt = new Date(calendar.monthEnd(month) + graceMs).toISOString();
    throw new TallymanError(
      'MONTH_NOT_OVER',
      `${month} may be closed from ${endsAt} (its end in ${calendar.zone} plus the grace period). --now with --dry-run rehearses another clock`,
      { month, endsAt },
    );
  }
  const latestClosed = latest(state.closedMonths);
  if (latestClosed !== undefined && month < latestClosed) {
    throw new TallymanError(
      'MONTH_PASSED',
      `${month} is before ${latestClosed}, which is closed. Its usage is billed as late usage of an open month`,
      { month, latestClosed },
    );
  }
  const first = earliest(
    latestClosed === undefined
      ? state.openMonthsWithUsage
      : [...state.openMonthsWithUsage, calendar.nextMonth(latestClosed)],
  );
  if (first !== undefined && first < month) {
    throw new TallymanError('EARLIER_MONTH_OPEN', `${first} is still open. Close it before ${month}`, {
      month,
      earlierMonth: first,
    });
  }
}

/**
 * If a month is frozen before it ends, its later usage counts as late, and only a rebuild counts it
 * in time again. Nothing of the month was published. Earlier months cannot be frozen any more, and
 * later ones must not be closed before it.
 *
 * @throws TallymanError `FROZEN_TOO_EARLY`
 */
export function checkNoneFrozenTooEarly(
  state: CloseState,
  nowMs: number,
  graceMs: number,
  calendar: BillingCalendar,
): void {
  const month = firstFrozenTooEarly(state, nowMs, graceMs, calendar);
  if (month === undefined) return;
  throw new TallymanError(
    'FROZEN_TOO_EARLY',
    `A close with a wrong clock has frozen ${month} in Redis before it was over. Nothing of it was published. ` +
      'Until this is repaired, no other month can be closed. Stop the consumers, then ' +
      'run `tallyman rebuild --empty`, which counts its usage in time again.',
    { month },
  );
}

function firstFrozenTooEarly(
  { frozenMonths, frozenTooEarly = [] }: CloseState,
  nowMs: number,
  graceMs: number,
  calendar: BillingCalendar,
): string | undefined {
  const running = frozenMonths.filter((month) => !isOver(month, nowMs, graceMs, calendar));
  return earliest([...running, ...frozenTooEarly]);
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
