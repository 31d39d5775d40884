import { TallymanError } from '../lib/errors';
import type { BillingCalendar } from '../rating/billing-calendar';

/** What the close must know to decide which months it may close. */
export interface CloseState {
  /** Months that are closed already: their record is published. In any order. */
  readonly closedMonths: readonly string[];
  /** Those of them whose first run was not through: their invoices come before all others. In any order. */
  readonly interruptedMonths: readonly string[];
  /** Months that a shard has frozen, and of which no record was published. In any order. */
  readonly frozenMonths: readonly string[];
  /** Those of them that the log shows to be frozen before they ended: see `monthsFrozenTooEarly`. */
  readonly frozenTooEarly?: readonly string[];
  /** Those of them with invoices still to issue: drafts, or the close was killed. In any order. */
  readonly unfinishedMonths: readonly string[];
  /** Open months that hold usage, in any order. */
  readonly openMonthsWithUsage: readonly string[];
}

/**
 * The months to close, in order. While a month is frozen too early, these are closed months alone: closed ones whose close was interrupted, those with drafts or held projects, then those that are over, grace included, and
 * not yet closed: from the earliest that holds usage or follows a close.
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
  // With no usage and no close there is nothing to begin from but the month that ended last: it bills the plans' fees.
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
 * Checks that `month` may be closed now. A month that is closed already may be: the close is repeatable.
 *
 * An interrupted close comes before everything else: its invoices bear the date of its first run, and a project's dates go
 * up with its numbers. Drafts and held projects keep nothing back.
 *
 * @throws TallymanError `MONTH_NOT_OVER`, `FROZEN_TOO_EARLY`, `EARLIER_MONTH_OPEN`, `MONTH_UNFINISHED` or `MONTH_PASSED`
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
      `The close of ${interrupted} was interrupted: run \`tallyman close ${interrupted}\` first, which goes on where it was`,
      { month, interrupted },
    );
  }
  if (state.closedMonths.includes(month)) return;
  checkNoneFrozenTooEarly(state, nowMs, graceMs, calendar);
  if (!isOver(month, nowMs, graceMs, calendar)) {
    const endsAt = new Date(calendar.monthEnd(month) + graceMs).toISOString();
    throw new TallymanError(
      'MONTH_NOT_OVER',
      `${month} may be closed from ${endsAt} (its end in ${calendar.zone}, and the grace period). --now with --dry-run rehearses another clock`,
      { month, endsAt },
    );
  }
  const latestClosed = latest(state.closedMonths);
  if (latestClosed !== undefined && month < latestClosed) {
    throw new TallymanError(
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
    throw new TallymanError('EARLIER_MONTH_OPEN', `${first} is still open: close it before ${month}`, {
      month,
      earlierMonth: first,
    });
  }
}

/**
 * A month that is frozen before it ends counts its usage since as late, and only a rebuild counts it in time again. Nothing
 * of it was published. No earlier month can be frozen any more, and no later one may come before it.
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
    `A close has frozen ${month} in Redis before it was over, by a clock that was wrong. Nothing of it was published. ` +
      'Until this is mended, no month can be closed that is not closed already. Stop the consumers, then ' +
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
