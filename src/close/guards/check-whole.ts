import { TallymanError } from '../../lib/errors';
import type { KafkaClient } from '../../kafka/client';
import { topicReplaced } from '../../ingest/stop-errors';
import { readPartitionCursors } from '../../redis/cursors';
import { checkRebuilt } from '../../redis/rebuilding';
import type { Store } from '../../redis/store';
import type { CheckedCursors } from '../../ingest/guards/check-cursors';
import type { LedgerFollower } from '../../installation/ledgers/follow-ledger';
import { checkRedisStaysWhole } from '../held/hold-damaged';
import type { RollbackGuard } from './rollback-guard';
import { checkShardCount } from '../../installation/shard-count';

export interface WholenessOptions {
  readonly kafka: KafkaClient;
  readonly store: Store;
  readonly month: string;
  /** The offsets that the close waited for. */
  readonly checked: CheckedCursors;
  /** Identifies the Redis that the close began with: see `checkRebuilt`. */
  readonly generation: string;
  readonly guard: RollbackGuard;
  /** The views that invoices are made from, caught up before the guard opened. */
  readonly views: readonly LedgerFollower[];
}

/**
 * Makes sure that what was read from Redis since the guard opened is all that Kafka holds of the
 * month. It runs before each page of invoices, because Redis may have been emptied, rebuilt in part
 * or restored from a copy since the close began.
 *
 * @throws TallymanError `REDIS_WENT_BACK`, `REBUILD_UNFINISHED`, `TOPIC_REPLACED`, `FEWER_SHARDS`,
 *   `SHARD_TORN`, `REDIS_EVICTED`, `REDIS_MAY_EVICT`
 */
export async function checkWhole(options: WholenessOptions): Promise<void> {
  const { kafka, store, month, checked, generation, guard, views } = options;
  await guard.check();
  await checkShardCount(store, checked.layout.shards);
  await checkRedisStaysWhole(store, checked.layout.shards);
  const isSame = (await checkRebuilt(store)) === generation;
  await Promise.all([checkEnds(store, month, checked), checkTopicsAreTheSame(kafka, checked)]);
  const held = await Promise.all(views.map((view) => view.holds()));
  if (isSame && held.every(Boolean)) return;
  throw new TallymanError(
    'REDIS_WENT_BACK',
    `Redis was rebuilt, or lost plans or invoices, while the invoices of ${month} were made. Run the close again, which restores them first.`,
    { month },
  );
}

/** A cursor only moves forward, so a cursor below the barrier shows that Redis went back. */
async function checkEnds(store: Store, month: string, { ends, layout }: CheckedCursors): Promise<void> {
  const cursors = await readPartitionCursors(store, layout.shards, ends);
  for (const [topic, offsets] of ends) {
    const partition = offsets.findIndex((end, one) => (cursors.get(topic)?.[one] ?? 0) < end);
    if (partition < 0) continue;
    throw new TallymanError(
      'REDIS_WENT_BACK',
      `Redis went back while the invoices of ${month} were made. ${topic}/${partition} had been counted up to ` +
        `${offsets[partition]}. Let the consumers catch up, then run the close again.`,
      { month, topic, partition },
    );
  }
}

async function checkTopicsAreTheSame(kafka: KafkaClient, { topicIds }: CheckedCursors): Promise<void> {
  await Promise.all(
    [...topicIds].map(async ([topic, expected]) => {
      const id = await kafka.topicId(topic);
      if (id !== undefined && id !== expected) throw topicReplaced(topic, expected, id);
    }),
  );
}
