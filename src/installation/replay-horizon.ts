import type { CloseRecord } from '../../schemas/types';
import type { BillingCalendar } from '../rating/billing-calendar';

/** What coverage follows from, of one partition. */
export interface Coverage {
  readonly topic: string;
  readonly shard: number;
  /** In order of month. */
  readonly closes: readonly CloseRecord[];
  /** Where the first cursor was made. */
  readonly begin: number;
  readonly calendar: BillingCalendar;
  readonly futureMs: number;
}

/** A close is dated when it starts, and freezes when the consumers have caught up. */
const CLOSE_TAKES_AT_MOST_MS = 86_400_000;

/**
 * The offset from which on a partition's log must be there for a month to be counted anew.
 *
 * Its usage lies behind the last freeze that was over before the month began: nothing earlier can
 * be of this month, or it would have been refused as being from the future. And whether that usage
 * is a repeat is told by the ids of its own period and of the one before: so it is the freeze
 * before that one.
 */
export function neededFrom(
  month: string,
  { topic, shard, closes, begin, calendar, futureMs }: Coverage,
): number {
  const begunBy = calendar.monthStart(month) - futureMs - CLOSE_TAKES_AT_MOST_MS;
  const over = closes.filter(({ closedAt }) => Date.parse(closedAt) <= begunBy);
  const before = over.at(-2);
  return before === undefined ? begin : Math.max(begin, before.cursors[shard]?.[topic] ?? 0);
}
