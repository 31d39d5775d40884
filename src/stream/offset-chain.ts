/**
 * Decides whether a fetched batch continues what is applied, so that no event is passed over and none waits for ever.
 *
 * Offsets of events have holes (transaction markers, aborted and compacted records), positions of fetches have none:
 * what counts is the offset at which the batch was asked for. kafkajs moves that position on by itself over batches
 * that hold filtered records only, and on a log that no longer reaches back to it, both without a word. Only the log's
 * start tells the one, which is no loss, from the other, which is.
 */
export interface FetchedBatch {
  /** The next offset to apply, as Redis has it. */
  readonly cursor: number;
  /** The offset that the batch was asked for. */
  readonly fetchedOffset: number;
  /** The offset after the last one in the log when the batch was fetched. */
  readonly highWatermark: number;
  /** Whether the last thing done in this partition was to seek to the cursor. */
  readonly sought: boolean;
  /** The first offset still in the log, once it was asked for. */
  readonly logStart?: number;
}

export type ChainDecision =
  /** The batch continues the chain: apply it as from the cursor. */
  | { readonly action: 'apply' }
  /** Fetch again from the cursor. */
  | { readonly action: 'seek' }
  /** Ask for the log's start, and decide again. */
  | { readonly action: 'ask_log_start' }
  | { readonly action: 'stop'; readonly code: 'EVENTS_LOST' | 'CURSOR_BEYOND_LOG'; readonly message: string };

export function decideBatch({
  cursor,
  fetchedOffset,
  highWatermark,
  sought,
  logStart,
}: FetchedBatch): ChainDecision {
  // New events would reuse offsets below the cursor, and all be taken for applied.
  if (cursor > highWatermark) return cursorBeyondLog(cursor, highWatermark);
  if (fetchedOffset === cursor) return { action: 'apply' };
  // Redelivered from a committed offset: nothing can be missed, the cursor is further.
  if (fetchedOffset < cursor) return { action: 'seek' };
  if (!sought) return { action: 'seek' };
  if (logStart === undefined) return { action: 'ask_log_start' };
  return logStart <= cursor ? { action: 'apply' } : eventsLost(cursor, logStart);
}

/** Compares a cursor with the log's bounds before anything is fetched: an idle partition would never show the damage. */
export function checkBounds(cursor: number, logStart: number, logEnd: number): ChainDecision | undefined {
  if (cursor > logEnd) return cursorBeyondLog(cursor, logEnd);
  if (cursor < logStart) return eventsLost(cursor, logStart);
  return undefined;
}

function eventsLost(cursor: number, logStart: number): ChainDecision {
  return {
    action: 'stop',
    code: 'EVENTS_LOST',
    message:
      `the log begins at ${logStart}, but only what lies before ${cursor} is applied: ` +
      `${logStart - cursor} offsets were removed before they were counted. Restore them in Kafka; nothing was skipped`,
  };
}

function cursorBeyondLog(cursor: number, logEnd: number): ChainDecision {
  return {
    action: 'stop',
    code: 'CURSOR_BEYOND_LOG',
    message:
      `the cursor ${cursor} lies past the log's end ${logEnd}: the topic was made anew, or a broker lost records. ` +
      'Counting on would take new events for old ones. Nothing was skipped',
  };
}
