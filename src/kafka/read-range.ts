import { TallymanError } from '../lib/errors';
import type { KafkaClient } from './client';
import type { LogRecord } from './wire/record-batch';
import { logRanges } from './topics/topics';

export type { LogRecord } from './wire/record-batch';

export interface RangeOptions {
  /** Full name, with the prefix. */
  readonly topic: string;
  readonly partition: number;
  /** The first offset to read. */
  readonly from: number;
  /** The offset to stop before. */
  readonly to: number;
  /** About how much is asked for at a time, as it lies in the log: compressed. */
  readonly fetchBytes?: number;
}

/** What a partition answers is waited for this long before it is asked again. */
const MAX_WAIT_MS = 500;
const FETCH_BYTES = 4 * 1_048_576;
/** For single records: a batch comes whole in any case. */
const JUMP_BYTES = 1_048_576;
/** A log that shows nothing new for this long before the end of the range never will. */
const STALL_LIMIT_MS = 30_000;

/**
 * Reads the committed records of a partition's range, some thousand at a time, without a consumer
 * group: there is nothing to join, to wait for, or to clean up.
 *
 * @throws TallymanError `EVENTS_GONE` if the log starts after `from`; `LOG_STALLED` if it ends, or
 *   holds an unfinished transaction, before `to`
 */
export async function* readRange(client: KafkaClient, options: RangeOptions): AsyncGenerator<LogRecord[]> {
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
    if (next > position) progressAt = performance.now();
    else if (performance.now() - progressAt > STALL_LIMIT_MS) {
      throw new TallymanError(
        'LOG_STALLED',
        `${topic} partition ${partition} shows nothing from offset ${position} on, although it should reach ${to}: ` +
          'is a transaction left open? `tallyman doctor` says which.',
        { ...options, position },
      );
    }
    position = next;
    const records = fetched.records.filter(({ offset }) => offset < to);
    if (records.length > 0) yield records;
  }
}

/**
 * Reads single records of a partition, in one pass: near ones come in one fetch, and what lies
 * between far ones is not fetched. One that the log no longer holds is left out.
 *
 * @param offsets in order, each once
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

/** The offset of the first record of the range that a consumer would see. */
export async function firstRecordBetween(
  client: KafkaClient,
  options: RangeOptions,
): Promise<number | undefined> {
  for await (const [first] of readRange(client, options)) return first?.offset;
  return undefined;
}
