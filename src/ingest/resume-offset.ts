/**
 * Decides what a fetched batch may do to a partition's cursor. Pure, and the most dangerous page of
 * the project: a wrong answer here loses usage, or stands still for ever.
 *
 * The cursor says which offset is to be applied next. A batch answers for the whole range from the
 * position it was fetched at to its last offset, although offsets inside may be absent: transaction
 * markers, aborted records and compacted ones leave holes, and a hole is no gap. So what is
 * compared with the cursor is the position of the fetch, never the offset of the first record.
 */

/** A batch as it was fetched. */
export interface FetchedRange {
  /** The position that was asked for. */
  readonly fetchedOffset: number;
  /** The last offset that the answer covers, visible or not. */
  readonly lastOffset: number;
}

/** What the broker says of the log when asked. */
export interface LogFacts {
  /** The first offset that is still there. */
  readonly start: number;
  /** The offset that the next record will get. */
  readonly end: number;
  /**
   * The first record at or after the cursor and before the batch that a consumer would see; absent
   * if there is none.
   */
  readonly firstUnapplied?: number;
}

export interface ChainInput {
  /** The offset to apply next. */
  readonly cursor: number;
  readonly batch: FetchedRange;
  /**
   * How often the consumer was sent to its cursor since a batch last fitted, in this assignment.
   */
  readonly seeks: number;
  /** Only after an `ask`. */
  readonly log?: LogFacts;
}

export type ChainDecision =
  | { readonly do: 'apply'; readonly from: number; readonly next: number }
  | { readonly do: 'seek'; readonly to: number }
  | { readonly do: 'ask' }
  | ChainStop;

export interface ChainStop {
  readonly do: 'stop';
  readonly code: 'EVENTS_GONE' | 'CURSOR_PAST_LOG_END' | 'SEEK_IGNORED';
  readonly message: string;
}

/** A seek that is followed by another position so often will never succeed. */
const MAX_SEEKS = 10;

export function decide({ cursor, batch, seeks, log }: ChainInput): ChainDecision {
  const { fetchedOffset, lastOffset } = batch;
  const next = lastOffset + 1;
  if (fetchedOffset === cursor) return { do: 'apply', from: cursor, next };
  // The committed position is only a hint, so the first batch of an assignment often starts
  // elsewhere.
  if (seeks === 0) return { do: 'seek', to: cursor };
  // Still elsewhere: either the log has no such offset, and the client was silently sent to its
  // start, or the range between held nothing for a consumer, and the client went over it alone.
  if (!log) return { do: 'ask' };
  const stop = checkCursor(cursor, log);
  if (stop) return stop;
  if (fetchedOffset > cursor && log.firstUnapplied === undefined) return { do: 'apply', from: cursor, next };
  if (seeks < MAX_SEEKS) return { do: 'seek', to: cursor };
  return {
    do: 'stop',
    code: 'SEEK_IGNORED',
    message: `Sent to offset ${cursor} ${seeks} times, the consumer still reads at ${fetchedOffset}.`,
  };
}

/**
 * What a look at a partition says while nothing is fetched: on every assignment, and from time to
 * time. An idle partition shows no batch that could tell that its log was cut or made anew, or that
 * the totals went back.
 *
 * @param known the cursor that the consumer has in mind, from before `cursor` was read; undefined
 *   when it was assigned the partition and has fetched nothing yet: it reads at the committed
 *   offset then, and where that lies past the cursor and nothing is published, no batch would ever
 *   tell
 * @param cursor the totals' own cursor, from before `log` was asked for
 */
export function review(
  known: number | undefined,
  cursor: number,
  log: Pick<LogFacts, 'start' | 'end'>,
): { readonly do: 'nothing' } | { readonly do: 'seek'; readonly to: number } | ChainStop {
  const stop = checkCursor(cursor, log);
  if (stop) return stop;
  const isBehind = known === undefined ? cursor < log.end : cursor < known;
  return isBehind ? { do: 'seek', to: cursor } : { do: 'nothing' };
}

/** Whether the log still holds the offset that is to be applied next. */
export function checkCursor(cursor: number, log: Pick<LogFacts, 'start' | 'end'>): ChainStop | undefined {
  if (cursor < log.start) {
    return {
      do: 'stop',
      code: 'EVENTS_GONE',
      message:
        `Offset ${cursor} is to be applied next, and the log starts at ${log.start}: events were deleted before they ` +
        'were counted. Restore the topic, or accept the loss by setting the cursor; see the operations guide.',
    };
  }
  if (cursor > log.end) {
    return {
      do: 'stop',
      code: 'CURSOR_PAST_LOG_END',
      message:
        `Offset ${cursor} is to be applied next, and the log ends at ${log.end}: the topic was made anew, or lost its ` +
        'end in an unclean election. Its new events would pass for counted ones; see the operations guide.',
    };
  }
  return undefined;
}
