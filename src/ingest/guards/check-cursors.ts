import { TallymanError } from '../../lib/errors';
import type { KafkaClient } from '../../kafka/client';
import { checkCursor } from '../resume-offset';
import { chainStopped, topicReplaced, uninitialised } from '../stop-errors';
import { findDiverged, type Counted } from './check-epochs';
import { logRanges, type LogRange } from '../../kafka/topics/topics';
import { readCursors, readEpochs, readTopicIds } from '../../redis/cursors';
import { laneOf, placeOf, shardOf } from '../../redis/usage/lanes';
import type { Store } from '../../redis/store';
import type { Layout } from '../../../schemas/types';
import { checkLayout } from '../../installation/layout';
import type { CountingRecord } from '../../installation/recorded-settings';
import { restoreShardCount } from '../../installation/shard-count';

export interface CheckedCursors {
  readonly layout: Layout;
  /** topic -> partition -> the offset that the next record will get. */
  readonly ends: ReadonlyMap<string, readonly number[]>;
  /** topic -> its id. Empty if the cluster has no topic ids. */
  readonly topicIds: ReadonlyMap<string, string>;
}

/**
 * Makes sure that every partition has a cursor, that the cursors belong to the existing topics, and
 * that they are within their logs. Without this check, a cursor beyond the end of its log would
 * look like one that is caught up.
 *
 * A missing cursor is never created here: at the wrong offset it would skip usage, or count it
 * twice. The number of shards is stored again, because Redis may lose it alone.
 *
 * @param topics full names
 * @param known the ledger's record, if it was just read
 * @throws TallymanError `TOPICS_MISSING`, `NOT_CO_PARTITIONED`, `PARTITIONS_ADDED`,
 *   `UNINITIALISED`, `TOPIC_REPLACED`, `EVENTS_GONE`, `CURSOR_PAST_LOG_END`, `LOG_DIVERGED`,
 *   `FEWER_SHARDS`
 */
export async function checkCursors(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  topics: readonly string[],
  known?: CountingRecord,
): Promise<CheckedCursors> {
  const layout = await checkLayout(kafka, prefix, known);
  const look = async (): Promise<{ ranges: Map<string, LogRange[]>; stop?: TallymanError }> => {
    const counts = await readCounts(store, layout.shards);
    // Read after the cursors, so that a cursor that moves meanwhile does not look as if it were
    // beyond the end.
    const ranges = await logRanges(kafka, topics);
    const stop = firstStop(counts, ranges, layout) ?? (await firstDiverged(kafka, topics, counts));
    return { ranges, ...(stop && { stop }) };
  };
  let { ranges, stop } = await look();
  // Between the two reads, consumers may have moved a cursor, and retention may have deleted what
  // it passed.
  if (stop) ({ ranges, stop } = await look());
  // Read after the ranges: ids are never reused, so a topic that has its own id now had it then.
  const topicIds = await checkTopicIds(kafka, store, topics);
  if (stop) throw stop;
  await restoreShardCount(store, layout.shards);
  return {
    layout,
    ends: new Map([...ranges].map(([topic, all]) => [topic, all.map(({ end }) => end)])),
    topicIds,
  };
}

function firstStop(
  counts: readonly ShardCounts[],
  ranges: ReadonlyMap<string, readonly LogRange[]>,
  { shards }: Layout,
): TallymanError | undefined {
  for (const [topic, all] of ranges) {
    for (const [partition, range] of all.entries()) {
      const { cursors } = counts[shardOf(partition, shards)]!;
      const cursor = cursors.get(laneOf(topic, partition, shards));
      if (cursor === undefined) return uninitialised(topic, partition);
      const stop = checkCursor(cursor, range);
      if (stop) return chainStopped(topic, partition, stop);
    }
  }
  return undefined;
}

async function firstDiverged(
  kafka: KafkaClient,
  topics: readonly string[],
  counts: readonly ShardCounts[],
): Promise<TallymanError | undefined> {
  for (const topic of topics) {
    const [diverged] = await findDiverged(kafka, topic, countedOf(topic, counts));
    if (diverged) return chainStopped(topic, diverged.partition, diverged);
  }
  return undefined;
}

/** What a shard has counted, by lane. */
interface ShardCounts {
  readonly cursors: ReadonlyMap<string, number>;
  readonly epochs: ReadonlyMap<string, number>;
}

export async function readCounts(store: Store, shards: number): Promise<ShardCounts[]> {
  const counts: ShardCounts[] = [];
  for (let shard = 0; shard < shards; shard += 1) {
    const cursors = await readCursors(store, shard);
    counts.push({ cursors, epochs: await readEpochs(store, shard, cursors) });
  }
  return counts;
}

export function countedOf(topic: string, counts: readonly ShardCounts[]): Counted[] {
  return counts.flatMap(({ cursors, epochs }, shard) =>
    [...cursors].flatMap(([lane, cursor]) => {
      const { topic: of, partition } = placeOf(lane, shard);
      const epoch = epochs.get(lane);
      return of !== topic || epoch === undefined ? [] : [{ partition, cursor, epoch }];
    }),
  );
}

async function checkTopicIds(
  kafka: KafkaClient,
  store: Store,
  topics: readonly string[],
): Promise<Map<string, string>> {
  const noted = await readTopicIds(store);
  const ids = new Map<string, string>();
  for (const topic of topics) {
    const id = await kafka.topicId(topic);
    if (id === undefined) continue;
    const expected = noted.get(topic);
    if (expected === undefined) {
      throw new TallymanError(
        'UNINITIALISED',
        `Redis does not say which ${topic} its cursors belong to: run \`tallyman init\`, which notes the id of the one ` +
          `that is there, ${id}.`,
        { topic, id },
      );
    }
    if (id !== expected) throw topicReplaced(topic, expected, id);
    ids.set(topic, id);
  }
  return ids;
}
