/**
 * Decides what a fetched batch may do to a partition's cursor. Pure, and the most dangerous code of
 * the project: a wrong answer loses usage, or stops forever.
 *
 * The cursor is the offset to be applied next. A batch covers the whole range from the position it
 * was fetched at to its last offset. Offsets inside may be absent, because transaction markers,
 * aborted records and compacted ones leave holes, and a hole is not a gap. So the cursor is
 * compared with the position of the fetch, never with the offset of the first record.
 */

export interface FetchedRange {
  /** The position that was requested. */
  readonly fetchedOffset: number;
  /** The last offset that the response covers, visible or not. */
  readonly lastOffset: number;
}

/** The range of a log, as its broker reports it. */
export interface LogFacts {
  /** The first offset that still exists. */
  readonly start: number;
  /** The offset that the next record will get. */
  readonly end: number;
  /**
   * The first record visible to consumers at or after the cursor and before the batch; absent if
   * there is none.
   */
  readonly firstUnapplied?: number;
}

export interface ChainInput {
  /** The offset to apply next. */
  readonly cursor: number;
  readonly batch: FetchedRange;
  /**
   * How often the consumer was sent to its cursor since the last batch that began there, in this
   * assignment.
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
  readonly code: 'EVENTS_GONE' | 'CURSOR_PAST_LOG_END' | 'LOG_DIVERGED' | 'SEEK_IGNORED';
  readonly message: string;
  readonly fields: Readonly<Record<string, number>>;
}

/** If the position is still wrong after this many seeks, another one will not help. */
const MAX_SEEKS = 10;

export function decide({ cursor, batch, seeks, log }: ChainInput): ChainDecision {
  const { fetchedOffset, lastOffset } = batch;
  const next = lastOffset + 1;
  if (fetchedOffset === cursor) return { do: 'apply', from: cursor, next };
  // The committed position is only a hint, so the first batch of an assignment often begins at
  // another offset.
  if (seeks === 0) return { do: 'seek', to: cursor };
  // The position is still wrong. Either the log has no such offset, and the client silently went to
  // its start, or the range between contained nothing for consumers, and the client skipped it.
  if (!log) return { do: 'ask' };
  const stop = checkCursor(cursor, log);
  if (stop) return stop;
  if (fetchedOffset > cursor && log.firstUnapplied === undefined) return { do: 'apply', from: cursor, next };
  if (seeks < MAX_SEEKS) return { do: 'seek', to: cursor };
  return {
    do: 'stop',
    code: 'SEEK_IGNORED',
    message: `The consumer was sent to offset ${cursor} ${seeks} times, and still reads at ${fetchedOffset}.`,
    fields: { cursor, fetchedOffset, seeks },
  };
}

/**
 * Checks a partition without a fetch, after every assignment and from time to time. An idle
 * partition has no batch that would show that its log was cut or recreated, or that the totals went
 * back.
 *
 * @param known the consumer's cursor from before `cursor` was read; undefined if it has fetched
 *   nothing since it was assigned the partition. It then reads at the committed offset. If that is
 *   past the cursor and nothing is published, no batch would ever show it.
 * @param cursor the totals' own cursor, from before `log` was read
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

export function checkCursor(cursor: number, log: Pick<LogFacts, 'start' | 'end'>): ChainStop | undefined {
  if (cursor < log.start) {
    return {
      do: 'stop',
      code: 'EVENTS_GONE',
      message:
        `Offset ${cursor} is to be applied next, and the log starts at ${log.start}: events were deleted before they ` +
        'were counted. Restore the topic, or accept the loss by setting the cursor; see the operations guide.',
      fields: { cursor, start: log.start },
    };
  }
  if (cursor > log.end) {
    return {
      do: 'stop',
      code: 'CURSOR_PAST_LOG_END',
      message:
        `Offset ${cursor} is to be applied next, and the log ends at ${log.end}: the topic was recreated, or lost its ` +
        'end in an unclean election. Its new events would be taken for counted ones; see the operations guide.',
      fields: { cursor, end: log.end },
    };
  }
  return undefined;
}

/**
 * Checks whether a log still holds what was counted.
 *
 * @param cursor the record before it was counted
 * @param epoch the leader epoch in which that record was written
 * @param found the latest epoch of the log up to `epoch`, and its end
 */
export function checkEpoch(
  cursor: number,
  epoch: number,
  found: { readonly epoch: number; readonly end: number },
): ChainStop | undefined {
  if (found.epoch === epoch && found.end >= cursor) return undefined;
  const held =
    found.epoch === epoch ? `holds that epoch up to offset ${found.end} only` : 'does not hold that epoch';
  return {
    do: 'stop',
    code: 'LOG_DIVERGED',
    message:
      `The records up to offset ${cursor} were counted in leader epoch ${epoch}, and the log ${held}: it has lost counted ` +
      'events in an unclean election, and others have their offsets. See the operations guide.',
    fields: { cursor, epoch, foundEpoch: found.epoch, foundEnd: found.end },
  };
}
