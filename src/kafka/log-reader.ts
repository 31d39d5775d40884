import { KafkaJSOffsetOutOfRange, type RetryOptions } from 'kafkajs';
import type Cluster from 'kafkajs/src/cluster';
import createRetry from 'kafkajs/src/retry';
import { TallymanError } from '../lib/errors';
import { leadersOf, READ_COMMITTED, READ_UNCOMMITTED } from './cluster';
import { MAX_BATCH_BYTES } from './wire/codecs';
import { unpackBatch, type PackedBatch } from './wire/fetch-response';
import { parseOffset } from './topics/offset';
import type { LogRecord } from './wire/record-batch';

export interface FetchOptions {
  readonly topic: string;
  readonly partition: number;
  readonly position: number;
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  /** Also reads records of open and aborted transactions. */
  readonly isUncommittedSeen?: boolean;
}

export interface Fetched {
  /** Records from `position` on. Only committed ones, unless others were requested. */
  readonly records: readonly LogRecord[];
  /** Where to continue. It is above `position` unless there was nothing to read. */
  readonly next: number;
  /**
   * The leader epoch of everything before `next`, because an answer ends where the epoch changes.
   * Undefined if nothing was read, or the log does not hold it.
   */
  readonly leaderEpoch: number | undefined;
}

/** Fetches from given partitions, without a consumer group and without a position of its own. */
export interface LogReader {
  fetch(options: FetchOptions): Promise<Fetched>;
}

/**
 * kafkajs only offers this within a group, which takes seconds to join and remains in the broker.
 * Its parts work without one.
 */
export function createLogReader(cluster: Cluster, retry: RetryOptions): LogReader {
  return {
    fetch: (options) =>
      createRetry(retry)(async (bail) => {
        try {
          return await fetchOnce(cluster, options);
        } catch (error) {
          if (error instanceof KafkaJSOffsetOutOfRange) return bail(notInLog(options)) as undefined;
          if (error instanceof TallymanError) return bail(error) as undefined;
          // The leader may have moved, or its broker may have a new address.
          await cluster.refreshMetadata().catch(() => undefined);
          throw error;
        }
      }),
  };
}

async function fetchOnce(cluster: Cluster, options: FetchOptions): Promise<Fetched> {
  const { topic, partition, position, maxWaitMs, maxBytes } = options;
  await cluster.addTargetTopic(topic);
  await cluster.refreshMetadataIfNecessary();
  const [leader] = leadersOf(cluster, topic, [partition]);
  if (leader === undefined) {
    throw new TallymanError('NO_PARTITION', `${topic} has no partition ${partition}`, { topic, partition });
  }
  const broker = await cluster.findBroker({ nodeId: leader[0] });
  const { responses } = await broker.fetch({
    maxWaitTime: maxWaitMs,
    minBytes: 1,
    maxBytes,
    isolationLevel: options.isUncommittedSeen ? READ_UNCOMMITTED : READ_COMMITTED,
    topics: [{ topic, partitions: [{ partition, fetchOffset: String(position), maxBytes }] }],
  });
  return unpackFrom(position, (responses[0]?.partitions[0]?.messages ?? []) as PackedBatch[]);
}

/**
 * About how much memory the records of one answer may take up. The rest is left for the next fetch,
 * as if the broker had ended its answer there. The first batch is always read.
 */
const MAX_ANSWER_BYTES = MAX_BATCH_BYTES;

/** In a batch that no election dates. */
const NO_EPOCH = -1;

export async function unpackFrom(position: number, batches: readonly PackedBatch[]): Promise<Fetched> {
  const records: LogRecord[] = [];
  let next = position;
  let leftBytes = MAX_ANSWER_BYTES;
  const leaderEpoch = batches[0]?.leaderEpoch;
  for (const batch of batches) {
    if (leftBytes <= 0 || batch.leaderEpoch !== leaderEpoch) break;
    const unpacked = await unpackBatch(batch);
    leftBytes -= unpacked.memoryBytes;
    // A batch is fetched whole, so it may begin before the position.
    for (const record of unpacked.records) if (record.offset >= position) records.push(record);
    next = Math.max(next, parseOffset(batch.offset) + 1);
  }
  return { records, next, leaderEpoch: leaderEpoch === NO_EPOCH ? undefined : leaderEpoch };
}

function notInLog({ topic, partition, position }: FetchOptions): TallymanError {
  return new TallymanError(
    'EVENTS_GONE',
    `${topic} partition ${partition} holds no offset ${position}: its events were deleted, or the topic was recreated.`,
    { topic, partition, offset: position },
  );
}
