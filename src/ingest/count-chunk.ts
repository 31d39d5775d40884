import { reject, type Rejection } from '../../consumers/decode/rejection';
import { TallymanError } from '../lib/errors';
import { pause } from '../lib/process/poller';
import { traced } from '../lib/tracing';
import type { RejectedRecord } from '../dead-letters/dead-letter';
import type { LogRecord } from '../kafka/wire/record-batch';
import { apply } from '../redis/apply/apply-chunk';
import type { AppliedCounts, ApplyAnswer, Chunk } from '../redis/apply/chunk';
import { readCursor, readCursors, readEpoch } from '../redis/cursors';
import { laneOf, partitionsOf, shardOf } from '../redis/usage/lanes';
import type { Store } from '../redis/store';
import type { Layout } from '../../schemas/types';
import type { LayoutWatch } from '../installation/layout';
import type { Counted } from './guards/check-epochs';
import type { ClosesWatch } from './guards/watch-closes';
import { uninitialised } from './stop-errors';

export interface ChunkWork {
  readonly topic: string;
  readonly partition: number;
  readonly totals: ApplyTarget;
  /**
   * Makes sure that the log holds what was counted in another leader epoch: see check-epochs.ts.
   *
   * @param fetched the epoch of the records that follow
   */
  checkHeld(counted: Counted, fetched: number | undefined): Promise<void>;
  /**
   * Publishes the dead letters that are not published yet.
   *
   * @param epoch the leader epoch of the records
   */
  refuse(rejected: readonly RejectedRecord[], epoch: number | undefined): Promise<void>;
  /** Called with what each step of a chunk has counted, even if the rest of the chunk waits. */
  onCounted(counts: AppliedCounts): void;
}

/** What was read beside the events of a chunk. */
export interface RatedChunk {
  /** The records of its voids, because the totals may still reject them. */
  readonly voids: readonly LogRecord[];
  readonly publishedAtMs: number | undefined;
}

export interface ChunkOutcome {
  /** The offset after the chunk. Everything before it is applied. */
  readonly next: number;
  /** When its first record was published, by the timestamp of that record. */
  readonly publishedAtMs?: number | undefined;
}

/**
 * In a replay, a partition waits for another one of its shard. Meanwhile the consumer must be free
 * to read that one.
 */
const BEHIND_PAUSE_MS = 100;

/** If cut-offs are still missing after this many restores, another one will not help. */
const MAX_RESTORES = 3;

/**
 * Sends a chunk to the totals until all of it is counted, whatever they answer meanwhile.
 *
 * @returns `gapAt` if the log must be read again from there
 */
export async function countChunk(
  work: ChunkWork,
  whole: Chunk,
  { voids, publishedAtMs }: RatedChunk,
): Promise<ChunkOutcome | { readonly gapAt: number }> {
  const { totals, partition } = work;
  const { topic, next } = whole;
  const place = { topic, partition, from: whole.from, next };
  let chunk = whole;
  let restores = 0;
  for (;;) {
    const reply = await totals.apply(partition, chunk);
    const applied = reply.answer === 'APPLIED' ? reply : reply.applied;
    if (applied) work.onCounted(applied);
    switch (reply.answer) {
      case 'APPLIED':
        return { next, publishedAtMs };
      case 'ALREADY_APPLIED':
        return { next };
      case 'VOID_MISMATCH': {
        const { offset, detail } = reply;
        const rejection = reject(
          'void_mismatch',
          `${detail} of the project holds less than data.data amounts to: the event must be repeated as it was`,
        );
        const record = voids.find((one) => one.offset === offset)!;
        await work.refuse([rejectedRecord(record, topic, partition, rejection)], whole.epoch);
        chunk = { ...chunk, from: offset, events: chunk.events.filter((event) => event.offset > offset) };
        break;
      }
      case 'OVERLAP': {
        const { cursor } = reply;
        if (!(cursor > chunk.from && cursor < next)) {
          throw new TallymanError('BAD_ANSWER', `OVERLAP at ${cursor} for [${chunk.from}, ${next})`, place);
        }
        const events = chunk.events.filter(({ offset }) => offset >= cursor);
        // Another process has counted up to there.
        chunk = { ...chunk, from: cursor, follows: undefined, events };
        break;
      }
      case 'GAP':
        return { gapAt: reply.cursor };
      case 'BEHIND':
        await pause(BEHIND_PAUSE_MS);
        return { gapAt: chunk.from };
      case 'UNINITIALISED':
        throw uninitialised(topic, partition);
      case 'EPOCH':
        await work.checkHeld({ partition, cursor: chunk.from, epoch: reply.epoch }, chunk.epoch);
        chunk = { ...chunk, follows: reply.epoch };
        break;
      case 'UNFROZEN':
        if (restores === MAX_RESTORES) throw unfrozen(place, reply.month);
        restores += 1;
        await totals.restore();
        break;
      case 'REJECTED':
        throw new TallymanError(
          'APPLY_REJECTED',
          `Redis refuses offsets ${chunk.from} to ${next - 1} of ${topic} partition ${partition}, and wrote ` +
            `nothing: ${reply.detail}`,
          { ...place, detail: reply.detail },
        );
    }
  }
}

export function rejectedRecord(
  { offset, timestampMs, key, value, headers }: LogRecord,
  topic: string,
  partition: number,
  rejection: Rejection,
): RejectedRecord {
  return { topic, partition, offset, timestampMs, key, value, headers, rejection };
}

function unfrozen(
  place: { readonly topic: string; readonly partition: number },
  month: string,
): TallymanError {
  return new TallymanError(
    'UNFROZEN',
    `Shard ${place.partition} has lost the freeze of ${month}, and it cannot be restored.`,
    { ...place, month },
  );
}

/** Where rated events are counted. */
export interface ApplyTarget {
  apply(partition: number, chunk: Chunk): Promise<ApplyAnswer>;
  /** The offset to apply next; undefined if no cursor was ever created. */
  readCursor(partition: number, topic: string): Promise<number | undefined>;
  /** The leader epoch of the last record counted before this cursor, if it is known. */
  readEpoch(partition: number, topic: string, cursor: number): Promise<number | undefined>;
  /**
   * Sets the partitions of a topic that are counted here from now on, and frees the memory kept for
   * others.
   */
  assign(topic: string, partitions: readonly number[]): void;
  /** Restores what the ledger of closes holds, after the totals lost their tail. */
  restore(): Promise<void>;
}

/**
 * The totals in Redis. Each chunk carries the latest closed month, so that Redis notices a lost
 * cut-off.
 */
export function createTotals(
  store: Store,
  layout: LayoutWatch,
  closes: ClosesWatch,
  observeApply: (topic: string, durationMs: number) => void,
): ApplyTarget {
  const { shards } = layout.current();
  return {
    async apply(partition, chunk) {
      const behind = await behindAddition(store, layout.current(), partition, chunk.topic);
      if (behind !== undefined) return { answer: 'BEHIND', lane: behind };
      const lastClosed = await closes.latest();
      const startedAt = performance.now();
      const { topic, from, next } = chunk;
      const answer = await traced('apply', { topic, partition, from, next }, () =>
        apply(
          store,
          shardOf(partition, shards),
          { ...chunk, lane: laneOf(topic, partition, shards) },
          lastClosed,
        ),
      );
      observeApply(topic, performance.now() - startedAt);
      return answer;
    },
    readCursor: (partition, topic) =>
      readCursor(store, shardOf(partition, shards), laneOf(topic, partition, shards)),
    readEpoch: (partition, topic, cursor) =>
      readEpoch(store, shardOf(partition, shards), laneOf(topic, partition, shards), cursor),
    assign: (topic, partitions) =>
      store.dedupIndex.keepOnly(
        topic,
        partitions.map((partition) => shardOf(partition, shards)),
      ),
    restore: () => closes.restore(),
  };
}

/**
 * What was published before partitions were added comes before what is in them. Otherwise an event
 * that was sent again with other data could count in place of the first.
 *
 * @returns the lane to wait for
 */
async function behindAddition(
  store: Store,
  { shards, additions = [] }: Layout,
  partition: number,
  topic: string,
): Promise<string | undefined> {
  const before = additions.filter(({ from }) => from <= partition);
  if (before.length === 0) return undefined;
  const shard = shardOf(partition, shards);
  const cursors = await readCursors(store, shard);
  for (const { from, ends } of before) {
    for (const earlier of partitionsOf(shard, { shards, partitions: from })) {
      const lane = laneOf(topic, earlier, shards);
      if ((cursors.get(lane) ?? 0) < (ends[topic]?.[earlier] ?? 0)) return lane;
    }
  }
  return undefined;
}
