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
 * @throws TallymanError `TOPICS_MISSING`, `NOT_CO_PARTITIONED`, `PARTITIONS_ADDED`,
 *   `UNINITIALISED`, `TOPIC_REPLACED`, `EVENTS_GONE`, `CURSOR_PAST_LOG_END`, `LOG_DIVERGED`,
 *   `FEWER_SHARDS`
 */
export async function checkCursors(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  topics: readonly string[],
): Promise<CheckedCursors> {
  const layout = await checkLayout(kafka, prefix);
  const look = async (): Promise<{ ranges: Map<string, LogRange[]>; stop?: TallymanError }> => {
    const cursors: Map<string, number>[] = [];
    const epochs: Map<string, number>[] = [];
    for (let shard = 0; shard < layout.shards; shard += 1) {
      const ofShard = await readCursors(store, shard);
      cursors.push(ofShard);
      epochs.push(await readEpochs(store, shard, ofShard));
    }
    // Read after the cursors, so that a cursor that moves meanwhile does not look as if it were
    // beyond the end.
    const ranges = await logRanges(kafka, topics);
    const stop = firstStop(cursors, ranges, layout) ?? (await firstDiverged(kafka, topics, cursors, epochs));
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
  cursors: readonly ReadonlyMap<string, number>[],
  ranges: ReadonlyMap<string, readonly LogRange[]>,
  { shards }: Layout,
): TallymanError | undefined {
  for (const [topic, all] of ranges) {
    for (const [partition, range] of all.entries()) {
      const cursor = cursors[shardOf(partition, shards)]?.get(laneOf(topic, partition, shards));
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
  cursors: readonly ReadonlyMap<string, number>[],
  epochs: readonly ReadonlyMap<string, number>[],
): Promise<TallymanError | undefined> {
  for (const topic of topics) {
    const [diverged] = await findDiverged(kafka, topic, countedOf(topic, cursors, epochs));
    if (diverged) return chainStopped(topic, diverged.partition, diverged);
  }
  return undefined;
}

/** @param cursors, epochs by shard */
export function countedOf(
  topic: string,
  cursors: readonly ReadonlyMap<string, number>[],
  epochs: readonly ReadonlyMap<string, number>[],
): Counted[] {
  return cursors.flatMap((ofShard, shard) =>
    [...ofShard].flatMap(([lane, cursor]) => {
      const { topic: of, partition } = placeOf(lane, shard);
      const epoch = epochs[shard]?.get(lane);
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
