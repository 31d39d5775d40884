import type { CloseRecord } from '../../../schemas/types';
import type { BillingCalendar } from '../../rating/billing-calendar';

/** How long a closed month stays in Redis. */
export interface Stay {
  readonly nowMs: number;
  /** After the end of the month: `TALLYMAN_KEEP_CLOSED`. */
  readonly keepMs: number;
  readonly calendar: Pick<BillingCalendar, 'monthEnd'>;
}

/**
 * The closed months that may leave Redis, in order. A month with drafts or held projects stays: its
 * totals are published once they are known to be right, and its close reads them again until then.
 */
export function monthsThatMayLeave(
  closes: Iterable<Pick<CloseRecord, 'month' | 'completed'>>,
  { nowMs, keepMs, calendar }: Stay,
): string[] {
  return [...closes]
    .filter(({ month, completed }) => completed === true && calendar.monthEnd(month) + keepMs <= nowMs)
    .map(({ month }) => month)
    .sort();
}
