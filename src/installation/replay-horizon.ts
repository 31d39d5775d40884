import type { CloseRecord } from '../../schemas/types';
import type { BillingCalendar } from '../rating/billing-calendar';

/** What determines the coverage of one partition. */
export interface PartitionHistory {
  readonly shard: number;
  /** The partition's name in its shard: see lanes.ts. */
  readonly lane: string;
  /** In order of month. */
  readonly closes: readonly CloseRecord[];
  /** Where the first cursor was created. */
  readonly begin: number;
  readonly calendar: BillingCalendar;
  readonly futureMs: number;
}

/** A close is dated when it starts, but freezes when the consumers have caught up. */
const CLOSE_TAKES_AT_MOST_MS = 86_400_000;

/**
 * The offset from which a partition's log must be kept so that a month can be counted again.
 *
 * Usage of the month comes after the last freeze that was over before the month began. Earlier
 * usage would have been rejected as being from the future. Its duplicates are recognised by the ids
 * of its own dedup window and of the one before, so the log must reach back to the freeze before
 * that one.
 */
export function replayHorizon(
  month: string,
  { shard, lane, closes, begin, calendar, futureMs }: PartitionHistory,
): number {
  const begunBy = calendar.monthStart(month) - futureMs - CLOSE_TAKES_AT_MOST_MS;
  const over = closes.filter(({ closedAt }) => Date.parse(closedAt) <= begunBy);
  const before = over.at(-2);
  return before === undefined ? begin : Math.max(begin, before.cursors[shard]?.[lane] ?? 0);
}
