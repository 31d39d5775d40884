import { traced } from '../lib/tracing';
import { apply } from '../redis/apply/apply-chunk';
import type { ApplyAnswer, Chunk } from '../redis/apply/chunk';
import { readCursor, readEpoch } from '../redis/cursors';
import type { Store } from '../redis/store';
import type { ClosesWatch } from './guards/watch-closes';

/** Where rated events are counted. A shard has the number of its partition. */
export interface ApplyTarget {
  apply(shard: number, chunk: Chunk): Promise<ApplyAnswer>;
  /** The offset to apply next; undefined if no cursor was ever created. */
  readCursor(shard: number, topic: string): Promise<number | undefined>;
  /** The leader epoch of the last record counted before this cursor, if it is known. */
  readEpoch(shard: number, topic: string, cursor: number): Promise<number | undefined>;
  /**
   * Sets the shards in which a topic's events are counted from now on, and frees the memory kept
   * for others.
   */
  assign(topic: string, shards: readonly number[]): void;
  /** Restores what the ledger of closes holds, after the totals lost their tail. */
  restore(): Promise<void>;
}

/**
 * The totals in Redis. Each chunk carries the latest closed month, so that Redis notices a lost
 * cut-off.
 */
export function createTotals(
  store: Store,
  closes: ClosesWatch,
  observeApply: (topic: string, durationMs: number) => void,
): ApplyTarget {
  return {
    async apply(shard, chunk) {
      const lastClosed = await closes.latest();
      const startedAt = performance.now();
      const { topic, from, next } = chunk;
      const answer = await traced('apply', { topic, partition: shard, from, next }, () =>
        apply(store, shard, chunk, lastClosed),
      );
      observeApply(topic, performance.now() - startedAt);
      return answer;
    },
    readCursor: (shard, topic) => readCursor(store, shard, topic),
    readEpoch: (shard, topic, cursor) => readEpoch(store, shard, topic, cursor),
    assign: (topic, shards) => store.dedupIndex.keepOnly(topic, shards),
    restore: () => closes.restore(),
  };
}
