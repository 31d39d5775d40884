import { traced } from '../lib/tracing';
import { apply } from '../redis/apply/apply-chunk';
import type { ApplyAnswer, Chunk } from '../redis/apply/chunk';
import { readCursor, readCursors, readEpoch } from '../redis/cursors';
import { laneOf, partitionsOf, shardOf } from '../redis/usage/lanes';
import type { Store } from '../redis/store';
import type { Layout } from '../../schemas/types';
import type { LayoutWatch } from '../installation/layout';
import type { ClosesWatch } from './guards/watch-closes';

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
