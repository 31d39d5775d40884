import { checkCursor } from '../../ingest/resume-offset';
import type { Context } from '../../installation/context';
import { layoutOf, nextMultiple } from '../../installation/layout';
import { checkCloses } from '../../installation/ledgers/check-closes';
import { countedOf, readCounts } from '../../ingest/guards/check-cursors';
import { findDiverged } from '../../ingest/guards/check-epochs';
import { readCountingRecord } from '../../installation/recorded-settings';
import { logRanges, usageTopics, type LogRange } from '../../kafka/topics/topics';
import type { Finding } from '../../lib/finding';
import { pause } from '../../lib/process/poller';
import { readPartitionCursors } from '../../redis/cursors';
import { laneOf, shardOf } from '../../redis/usage/lanes';
import { checkTopicIds } from './check-topic-ids';

/** A partition that is behind is called stuck if its cursor does not move for this long. */
const STUCK_AFTER_MS = 3_000;

export async function checkCursors(context: Context): Promise<Finding[]> {
  const { prefix } = context.config;
  const store = await context.store();
  const topics = usageTopics(prefix);
  const ranges = await logRanges(context.kafka(), topics);
  const most = Math.max(...[...ranges.values()].map((partitions) => partitions.length));
  const counted = layoutOf(await readCountingRecord(context.kafka(), prefix), most);
  const { shards } = counted;
  const cursors = await readPartitionCursors(store, shards, ranges);
  const findings: Finding[] = await checkTopicIds(context, store, topics);
  const behind: { topic: string; partition: number; cursor: number; end: number }[] = [];
  for (const [topic, partitions] of ranges) {
    for (const [partition, range] of partitions.entries()) {
      const subject = `${topic}/${partition}`;
      const cursor = cursors.get(topic)?.[partition];
      if (cursor === undefined) {
        const isAdded = partition >= counted.partitions;
        findings.push({
          level: 'error',
          subject,
          problem: isAdded
            ? 'the partition was added without tallyman grow: nothing that was published since is counted'
            : 'Redis holds no cursor, so its events are not counted',
          remedy: isAdded
            ? `tallyman grow --partitions ${nextMultiple(most, shards)}`
            : 'if Redis was emptied: tallyman rebuild; otherwise: tallyman init',
        });
        continue;
      }
      const stop = checkCursor(cursor, range);
      if (stop) {
        const key = store.keys.shard(shardOf(partition, shards)).cursor;
        const lane = laneOf(topic, partition, shards);
        const offset = cursor < range.start ? range.start : range.end;
        findings.push({
          ...{ level: 'error', subject, problem: stop.message },
          remedy: `restore Kafka's data; or stop the consumers and accept the loss: \`redis-cli -u "$REDIS_URL" HSET '${key}' ${lane} ${offset}\``,
        });
      } else if (cursor < range.end) behind.push({ topic, partition, cursor, end: range.end });
    }
  }
  findings.push(...(await checkEpochs(context, ranges, shards)));
  // Redis can be compared with the ledger only if there are cursors.
  if (findings.length === 0) {
    const { calendar } = context;
    const installation = { client: context.kafka(), store, prefix, calendar, shardCount: shards };
    findings.push(...(await checkCloses({ ...installation, nowMs: Date.now() })));
  }
  if (behind.length > 0) await pause(STUCK_AFTER_MS);
  const later = behind.length > 0 ? await readPartitionCursors(store, shards, ranges) : cursors;
  for (const { topic, partition, cursor, end } of behind) {
    if (later.get(topic)?.[partition] !== cursor) continue;
    findings.push({
      level: 'warning',
      subject: `${topic}/${partition}`,
      problem: `${end - cursor} events are waiting, and the cursor has stopped at ${cursor}`,
      remedy: 'start the consumers (tallyman consume), or check their logs',
    });
  }
  return findings;
}

/** Finds logs that have lost what was counted, and filled the gap. */
async function checkEpochs(
  context: Context,
  ranges: ReadonlyMap<string, readonly LogRange[]>,
  shardCount: number,
): Promise<Finding[]> {
  const store = await context.store();
  const counts = await readCounts(store, shardCount);
  const findings: Finding[] = [];
  for (const [topic, partitions] of ranges) {
    const counted = countedOf(topic, counts).filter(
      ({ partition, cursor }) => partitions[partition] && !checkCursor(cursor, partitions[partition]),
    );
    for (const { partition, message, fields } of await findDiverged(context.kafka(), topic, counted)) {
      const { cursor, epoch, foundEpoch, foundEnd } = fields as Record<string, number>;
      const key = store.keys.shard(shardOf(partition, shardCount)).cursor;
      const lane = laneOf(topic, partition, shardCount);
      const countOn =
        foundEpoch === epoch && foundEnd! < cursor!
          ? 'stop the consumers, and count on from where the log parts, which bills the lost events too: ' +
            `\`redis-cli -u $REDIS_URL HSET '${key}' ${lane} ${foundEnd}\``
          : 'stop the consumers, and count only what the log holds now: tallyman rebuild --empty';
      findings.push({
        ...{ level: 'error', code: 'LOG_DIVERGED', subject: `${topic}/${partition}`, problem: message },
        remedy: `restore Kafka's data; or ${countOn}`,
      });
    }
  }
  return findings;
}
