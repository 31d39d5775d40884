import { TallymanError } from '../lib/errors';
import type { KafkaClient } from './client';
import type { Fetched } from './log-reader';
import type { LogRecord } from './wire/record-batch';
import { logRanges } from './topics/topics';

export type { LogRecord } from './wire/record-batch';

export interface RangeOptions {
  readonly topic: string;
  readonly partition: number;
  readonly from: number;
  /** Exclusive. */
  readonly to: number;
  /** About how much one fetch requests, in the compressed size of the log. */
  readonly fetchBytes?: number;
}

export type OnFetched = (fetched: Fetched) => Promise<void>;

/** How long a broker may wait for records before it answers. */
const MAX_WAIT_MS = 500;
const FETCH_BYTES = 4 * 1_048_576;
/** For single records. A batch is always fetched whole. */
const JUMP_BYTES = 1_048_576;
/** If the log shows nothing new for this long before the end of the range, it is stuck. */
const STALL_LIMIT_MS = 30_000;

/**
 * Reads the committed records of a partition's range, about a thousand at a time. There is no
 * consumer group to join, to wait for, or to clean up.
 *
 * @param onFetched called for each fetch that reads on, before its records are passed on
 * @throws TallymanError `EVENTS_GONE` if the log starts after `from`; `LOG_STALLED` if it ends, or
 *   holds an unfinished transaction, before `to`
 */
export async function* readRange(
  client: KafkaClient,
  options: RangeOptions,
  onFetched?: OnFetched,
): AsyncGenerator<LogRecord[]> {
  const { topic, partition, from, to, fetchBytes = FETCH_BYTES } = options;
  const reader = await client.reader();
  let position = from;
  let progressAt = performance.now();
  while (position < to) {
    const fetched = await reader.fetch({
      ...{ topic, partition, position },
      maxWaitMs: MAX_WAIT_MS,
      maxBytes: fetchBytes,
    });
    const { next } = fetched;
    if (next > position) {
      progressAt = performance.now();
      await onFetched?.(fetched);
    } else if (performance.now() - progressAt > STALL_LIMIT_MS) {
      throw new TallymanError(
        'LOG_STALLED',
        `${topic} partition ${partition} shows nothing from offset ${position} on, although it should reach ${to}: ` +
          'is a transaction left open? `tallyman doctor` names it.',
        { ...options, position },
      );
    }
    position = next;
    const records = fetched.records.filter(({ offset }) => offset < to);
    if (records.length > 0) yield records;
  }
}

/**
 * Reads single records of a partition in one pass. Records close to each other share a fetch, and
 * what is between distant ones is not fetched. Records that the log no longer holds are left out.
 *
 * @param offsets sorted, without repetition
 */
export async function* readRecords(
  client: KafkaClient,
  place: { readonly topic: string; readonly partition: number },
  offsets: readonly number[],
): AsyncGenerator<LogRecord> {
  const reader = await client.reader();
  const start = (await logRanges(client, [place.topic])).get(place.topic)?.[place.partition]?.start ?? 0;
  let at = offsets.findIndex((offset) => offset >= start);
  while (at >= 0 && at < offsets.length) {
    const position = offsets[at]!;
    const fetched = await reader.fetch({
      ...{ ...place, position },
      maxWaitMs: MAX_WAIT_MS,
      maxBytes: JUMP_BYTES,
    });
    for (const record of fetched.records) {
      const { offset } = record;
      while (at < offsets.length && offsets[at]! < offset) at += 1;
      if (offsets[at] !== offset) continue;
      yield record;
      at += 1;
    }
    while (at < offsets.length && offsets[at]! < fetched.next) at += 1;
    if (fetched.next <= position) {
      throw new TallymanError(
        'LOG_STALLED',
        `${place.topic} partition ${place.partition} shows nothing at ${position}`,
        {
          ...place,
          position,
        },
      );
    }
  }
}

/** The offset of the first record in the range that consumers see. */
export async function firstRecordBetween(
  client: KafkaClient,
  options: RangeOptions,
): Promise<number | undefined> {
  for await (const [first] of readRange(client, options)) return first?.offset;
  return undefined;
}
