import type { RatedMessage } from '../../consumers/decode/rate-message';
import { reject, type Rejection } from '../../consumers/decode/rejection';
import type { RawMessage } from '../../consumers/decode/decode-event';
import { TallymanError } from '../lib/errors';
import type { RatedEvent } from '../rating/usage';
import { addCounts, NOTHING_APPLIED, type AppliedCounts, type Chunk } from '../redis/apply/chunk';
import { ChunkCutter, type ChunkLimits, type ChunkRange } from './chunks';
import type { DeadLetters, RejectedRecord } from '../dead-letters/dead-letter';
import { unpackBatch, type PackedBatch } from '../kafka/wire/fetch-response';
import type { LogRecord } from '../kafka/wire/record-batch';
import { uninitialised } from './stop-errors';
import type { ApplyTarget } from './totals';
import { Turns } from '../lib/process/mutex';

/** What an applied chunk and refused events are measured by. */
export interface ApplyMetrics {
  /** A chunk was applied, or refused, after this long. */
  readonly observeApply: (topic: string, durationMs: number) => void;
  /** Events published at this time are in the totals now. */
  readonly observeDelay: (topic: string, publishedAtMs: number) => void;
  readonly observeDeadLetters: (letters: readonly RejectedRecord[]) => void;
}

export interface RangeWork {
  readonly topic: string;
  readonly partition: number;
  readonly totals: ApplyTarget;
  readonly deadLetters: DeadLetters;
  readonly metrics?: ApplyMetrics;
  rate(message: RawMessage): RatedMessage;
  /** How much is rated and applied together. */
  readonly chunkLimits?: ChunkLimits;
}

/** What the ledger knows is lost again after so many restores: no use in going on. */
const MAX_RESTORES = 3;

/** What one chunk came to. */
export interface ChunkOutcome extends AppliedCounts {
  /** The offset after the chunk: all below is applied. */
  readonly next: number;
  readonly rejected: number;
  /**
   * When its first record was published, by that record's timestamp; undefined where it has none.
   */
  readonly publishedAtMs?: number | undefined;
}

/**
 * Of all partitions and topics, one chunk is made at a time: there is one thread to do it. Made
 * side by side, a dozen half made ones would stay in memory for as long as it takes to make them
 * all.
 */
const rating = new Turns();

/**
 * The more events a chunk holds, the more of them add up to one line of one total. But while it is
 * applied, some 15 ms, its Redis does nothing else.
 */
const CHUNK_LIMITS: ChunkLimits = { maxRecords: 4_000, maxBytes: 4 * 1_048_576 };

/**
 * Applies the records of [from, next), chunk by chunk. While one chunk is on its way to the totals,
 * the next one is unpacked and rated: the totals compare `from` with their cursor, so nothing can
 * be applied out of order.
 *
 * @param onChunk is told of each applied chunk, and answers whether to go on
 * @returns the totals' own cursor if it lies before the range (they lost their tail, and the log
 *   must be read again from there); undefined otherwise
 * @throws TallymanError `UNINITIALISED`, `APPLY_REJECTED`, `UNDECODABLE_BATCH`; whatever publishing
 *   or applying throws
 */
export async function applyRange(
  work: RangeWork,
  batches: readonly PackedBatch[],
  range: { readonly from: number; readonly next: number },
  onChunk: (outcome: ChunkOutcome) => Promise<boolean>,
): Promise<number | undefined> {
  let onItsWay: Promise<ChunkOutcome | { gapAt: number }> | undefined;
  const settle = async (): Promise<{ stop: boolean; gapAt?: number }> => {
    const outcome = await onItsWay;
    onItsWay = undefined;
    if (!outcome) return { stop: false };
    if ('gapAt' in outcome) return { stop: true, gapAt: outcome.gapAt };
    return { stop: !(await onChunk(outcome)) };
  };
  const send = async (range: ChunkRange, rated: RatedRecords): Promise<{ stop: boolean; gapAt?: number }> => {
    const { rejected } = rated;
    // A letter must be safe before the cursor passes its event: after a crash in between it would
    // be lost.
    await refuse(work, rejected);
    const settled = await settle();
    if (settled.stop) return settled;
    onItsWay = applyChunk(work, { topic: work.topic, ...range, events: rated.events }, rated);
    // Settled in the next round, or below; until then its failure has nobody to go to.
    onItsWay.catch(() => undefined);
    return settled;
  };
  let endTurn = await rating.take();
  try {
    const cutter = new ChunkCutter(range.from, work.chunkLimits ?? CHUNK_LIMITS);
    let rated = new RatedRecords(work);
    for (const batch of batches) {
      const { records } = await unpackBatch(batch);
      for (const record of records) {
        if (record.offset < range.from) continue;
        const ended = cutter.add(record);
        if (ended) {
          endTurn();
          const { stop, gapAt } = await send(ended, rated);
          if (stop) return gapAt;
          rated = new RatedRecords(work);
          endTurn = await rating.take();
        }
        rated.add(record);
      }
    }
    endTurn();
    const { stop, gapAt } = await send(cutter.end(range.next), rated);
    if (stop) return gapAt;
    return (await settle()).gapAt;
  } finally {
    endTurn();
    // When unpacking, rating or publishing fails, the chunk before it is still on its way: nothing
    // may move behind the caller's back.
    await onItsWay?.catch(() => undefined);
  }
}

/**
 * What the records of a chunk came to. A record is rated when it is unpacked, and only one that may
 * still be asked for is kept: thousands at a time would outlive the young generation of the heap,
 * and its collector copies what lives.
 */
class RatedRecords {
  readonly events: RatedEvent[] = [];
  readonly rejected: RejectedRecord[] = [];
  /** The totals may yet refuse them. */
  readonly voids: LogRecord[] = [];
  publishedAtMs: number | undefined;

  constructor(private readonly work: RangeWork) {}

  add(record: LogRecord): void {
    const { topic, partition } = this.work;
    this.publishedAtMs ??= record.timestampMs;
    const rated = this.work.rate(record);
    if (!rated.ok) {
      this.rejected.push(rejectedRecord(record, topic, partition, rated));
      return;
    }
    this.events.push(rated.event);
    if (rated.event.isVoid) this.voids.push(record);
  }
}

function rejectedRecord(
  { offset, timestampMs, key, value, headers }: LogRecord,
  topic: string,
  partition: number,
  rejection: Rejection,
): RejectedRecord {
  return { topic, partition, offset, timestampMs, key, value, headers, rejection };
}

async function refuse(
  { deadLetters, metrics }: RangeWork,
  rejected: readonly RejectedRecord[],
): Promise<void> {
  if (rejected.length === 0) return;
  await deadLetters.publish(rejected);
  metrics?.observeDeadLetters(rejected);
}

async function applyChunk(
  work: RangeWork,
  whole: Chunk,
  { rejected, voids, publishedAtMs }: RatedRecords,
): Promise<ChunkOutcome | { gapAt: number }> {
  const { totals, partition } = work;
  const { topic, next } = whole;
  const place = { topic, partition, from: whole.from, next };
  let chunk = whole;
  let restores = 0;
  let before = { ...NOTHING_APPLIED, rejected: rejected.length };
  for (;;) {
    const reply = await totals.apply(partition, chunk);
    switch (reply.answer) {
      case 'APPLIED':
        return { next, publishedAtMs, ...added(before, { ...reply, rejected: 0 }) };
      case 'ALREADY_APPLIED':
        return { next, ...NOTHING_APPLIED, rejected: 0 };
      case 'VOID_MISMATCH': {
        const { offset, detail } = reply;
        const rejection = reject(
          'void_mismatch',
          `${detail} of the project holds less than data.data comes to: the event must be repeated as it was`,
        );
        const record = voids.find((one) => one.offset === offset)!;
        await refuse(work, [rejectedRecord(record, topic, partition, rejection)]);
        before = added(before, { ...reply, rejected: 1 });
        chunk = { topic, next, from: offset, events: chunk.events.filter((event) => event.offset > offset) };
        break;
      }
      case 'OVERLAP': {
        const { cursor } = reply;
        if (!(cursor > chunk.from && cursor < next)) {
          throw new TallymanError('BAD_ANSWER', `OVERLAP at ${cursor} for [${chunk.from}, ${next})`, place);
        }
        chunk = { topic, next, from: cursor, events: chunk.events.filter(({ offset }) => offset >= cursor) };
        break;
      }
      case 'GAP':
        return { gapAt: reply.cursor };
      case 'UNINITIALISED':
        throw uninitialised(topic, partition);
      case 'UNFROZEN':
        if (restores === MAX_RESTORES) throw unfrozen(place, reply.month);
        restores += 1;
        await totals.restore();
        break;
      case 'REJECTED':
        throw new TallymanError(
          'APPLY_REJECTED',
          `The totals refuse offsets ${chunk.from} to ${next - 1} of ${topic} partition ${partition}, and wrote ` +
            `nothing: ${reply.detail}`,
          { ...place, detail: reply.detail },
        );
    }
  }
}

function unfrozen(
  place: { readonly topic: string; readonly partition: number },
  month: string,
): TallymanError {
  return new TallymanError(
    'UNFROZEN',
    `Shard ${place.partition} has lost the freeze of ${month}, and it cannot be put back.`,
    { ...place, month },
  );
}

type Counts = AppliedCounts & Pick<ChunkOutcome, 'rejected'>;

function added(a: Counts, b: Counts): Counts {
  return { ...addCounts(a, b), rejected: a.rejected + b.rejected };
}
