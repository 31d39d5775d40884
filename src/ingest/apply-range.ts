import type { RatedMessage } from '../../consumers/decode/rate-message';
import type { RawMessage } from '../../consumers/decode/decode-event';
import { ChunkCutter, type ChunkLimits, type ChunkRange } from './chunks';
import {
  countChunk,
  rejectedRecord,
  type ChunkOutcome,
  type ChunkWork,
  type RatedChunk,
} from './count-chunk';
import { parseOffset } from '../kafka/topics/offset';
import { unpackBatch, type PackedBatch } from '../kafka/wire/fetch-response';
import type { LogRecord } from '../kafka/wire/record-batch';
import type { RejectedRecord } from '../dead-letters/dead-letter';
import type { RatedEvent } from '../rating/usage';
import { Mutex } from '../lib/process/mutex';

export interface RangeWork extends ChunkWork {
  rate(message: RawMessage): RatedMessage;
  readonly chunkLimits?: ChunkLimits;
}

/**
 * Only one chunk is rated at a time, over all partitions and topics, because there is only one
 * thread for it. If a dozen were rated side by side, all of them would stay in memory until all are
 * done.
 */
const rating = new Mutex();

/**
 * The more events a chunk holds, the more of them add up to one change of one total. But the chunk
 * takes about 15 ms to apply, and its Redis does nothing else during that time.
 */
const CHUNK_LIMITS: ChunkLimits = { maxRecords: 4_000, maxBytes: 4 * 1_048_576 };

/**
 * Applies the records of [from, next), chunk by chunk. While one chunk is being applied, the next
 * one is unpacked and rated. Nothing can be applied out of order, because the totals compare `from`
 * with their cursor.
 *
 * @param onChunk called for each applied chunk; returns whether to continue
 * @returns the totals' own cursor if it is before the range, because they lost their tail and the
 *   log must be read again from there; undefined otherwise
 * @throws TallymanError `UNINITIALISED`, `LOG_DIVERGED`, `APPLY_REJECTED`, `UNDECODABLE_BATCH`;
 *   whatever publishing or applying throws
 */
export async function applyRange(
  work: RangeWork,
  batches: readonly PackedBatch[],
  range: { readonly from: number; readonly next: number },
  onChunk: (outcome: ChunkOutcome) => Promise<boolean>,
): Promise<number | undefined> {
  const sender = new ChunkSender(work, onChunk);
  let endTurn = await rating.take();
  try {
    const cutter = new ChunkCutter(range.from, work.chunkLimits ?? CHUNK_LIMITS);
    let rated = new RatedRecords(work);
    const sendEnded = async (ended: ChunkRange, epoch: number | undefined): Promise<Sent> => {
      endTurn();
      const sent = await sender.send(ended, rated, epoch);
      rated = new RatedRecords(work);
      if (!sent.stop) endTurn = await rating.take();
      return sent;
    };
    let before: PackedBatch | undefined;
    for (const batch of batches) {
      // A chunk has one epoch, so that its end has it too, wherever the chunk is split.
      const ended =
        before && before.leaderEpoch !== batch.leaderEpoch && cutter.cut(parseOffset(before.offset) + 1);
      if (ended) {
        const { stop, gapAt } = await sendEnded(ended, before!.leaderEpoch);
        if (stop) return gapAt;
      }
      before = batch;
      const { records } = await unpackBatch(batch);
      for (const record of records) {
        if (record.offset < range.from) continue;
        const ended = cutter.add(record);
        if (ended) {
          const { stop, gapAt } = await sendEnded(ended, batch.leaderEpoch);
          if (stop) return gapAt;
        }
        rated.add(record);
      }
    }
    endTurn();
    const { stop, gapAt } = await sender.send(cutter.end(range.next), rated, before?.leaderEpoch);
    if (stop) return gapAt;
    return (await sender.settle()).gapAt;
  } finally {
    endTurn();
    await sender.end();
  }
}

interface Sent {
  readonly stop: boolean;
  readonly gapAt?: number;
}

/** Applies one chunk at a time, while its caller rates the next one. */
class ChunkSender {
  private onItsWay: Promise<ChunkOutcome | { gapAt: number }> | undefined;
  private follows: number | undefined;

  constructor(
    private readonly work: RangeWork,
    private readonly onChunk: (outcome: ChunkOutcome) => Promise<boolean>,
  ) {}

  /** Waits for the chunk before. */
  async send(range: ChunkRange, rated: RatedRecords, epoch: number | undefined): Promise<Sent> {
    const { work, follows } = this;
    // A dead letter must be published before the cursor passes its event. A crash in between would
    // lose it otherwise.
    await work.refuse(rated.rejected, epoch);
    const settled = await this.settle();
    if (settled.stop) return settled;
    const chunk = { topic: work.topic, ...range, epoch, follows, events: rated.events };
    this.onItsWay = countChunk(work, chunk, rated);
    // The next chunk was fetched with this one, from one log.
    this.follows = epoch;
    // The next round, or the end, awaits it. Until then nothing else handles its failure.
    this.onItsWay.catch(() => undefined);
    return settled;
  }

  async settle(): Promise<Sent> {
    const outcome = await this.onItsWay;
    this.onItsWay = undefined;
    if (!outcome) return { stop: false };
    if ('gapAt' in outcome) return { stop: true, gapAt: outcome.gapAt };
    return { stop: !(await this.onChunk(outcome)) };
  }

  /**
   * If unpacking, rating or publishing fails, the chunk before it may still be on its way. It must
   * not be applied after its range has ended.
   */
  async end(): Promise<void> {
    await this.onItsWay?.catch(() => undefined);
  }
}

/**
 * The outcomes of the records of a chunk. A record is rated when it is unpacked, and kept only if
 * it may still be needed. If thousands were kept at a time, they would outlive the young generation
 * of the heap, and the garbage collector would copy them.
 */
class RatedRecords implements RatedChunk {
  readonly events: RatedEvent[] = [];
  readonly rejected: RejectedRecord[] = [];
  /** The totals may still reject them. */
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
