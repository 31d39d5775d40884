import type { Consumer, EachBatchPayload, KafkaMessage } from 'kafkajs';
import type { RawMessage } from '../../consumers/decode';
import type { RatedMessage } from '../../consumers/rate-message';
import { TallymanError } from '../errors';
import type { Log } from '../log';
import type { RatedEvent } from '../rating/usage';
import type { ApplyAnswer, Chunk } from '../totals/apply';
import type { DeadLetters, RejectedRecord } from './dead-letters';
import type { KafkaClient } from './kafka';
import { parseOffset } from './offset';
import { checkCursor, decide, type ChainStop, type FetchedRange } from './offset-chain';
import { logRanges } from './topics';

/** Where rated events go: one atomic step a chunk. */
export interface ApplyTarget {
  apply(shard: number, chunk: Chunk): Promise<ApplyAnswer>;
  readCursor(shard: number, topic: string): Promise<number | undefined>;
  /** Called when Redis stands before what was applied: it lost its tail, and what the ledger knows must be put back. */
  restore(): Promise<void>;
}

export interface RunnerOptions {
  readonly client: KafkaClient;
  readonly topic: string;
  readonly groupId: string;
  readonly rate: (message: RawMessage) => RatedMessage;
  readonly totals: ApplyTarget;
  readonly deadLetters: DeadLetters;
  readonly log: Log;
  /** Told once, of what the consumer cannot go on from. Its process must end then. */
  readonly onFatal: (error: unknown) => void;
}

/** How far a partition has come, for those who watch whether it does. */
export interface PartitionStatus {
  readonly partition: number;
  readonly cursor: number;
  readonly highWatermark: number;
  readonly lastProgressAt: number;
}

export interface Runner {
  start(): Promise<void>;
  /** Finishes the chunks under way, commits, leaves the group. May be called again. */
  stop(): Promise<void>;
  status(): { readonly lastTickAt: number; readonly partitions: readonly PartitionStatus[] };
}

/** Redis runs one script at a time: a chunk should take it a few milliseconds. */
const CHUNK_EVENTS_MAX = 1_000;
const CHUNK_BYTES_MAX = 4 * 1024 * 1024;
const COMMIT_INTERVAL_MS = 1_000;

interface Position {
  cursor: number;
  highWatermark: number;
  /** How often the consumer was sent to the cursor since a batch last fitted. */
  seeks: number;
  lastProgressAt: number;
  committedAt: number;
}

/** A part of a batch, rated. */
interface PreparedChunk {
  readonly chunk: Chunk;
  readonly rejected: readonly RejectedRecord[];
}

/** Consumes one usage topic: batches are rated chunk by chunk and applied to the shard of their partition. */
export function createRunner(options: RunnerOptions): Runner {
  const { client, topic, totals, deadLetters, log } = options;
  const consumer = createConsumer(options);
  const positions = new Map<number, Position>();
  let lastTickAt = Date.now();
  let failed = false;
  let stopping: Promise<void> | undefined;

  const fail = (error: unknown): void => {
    if (failed) return;
    failed = true;
    options.onFatal(error);
  };

  consumer.on(consumer.events.CRASH, ({ payload }) => {
    fail(
      new TallymanError(
        'CONSUMER_CRASHED',
        `The consumer of ${topic} crashed: ${payload.error.message}`,
        { topic },
        { cause: payload.error },
      ),
    );
  });
  // Another member may have applied what this one still had in mind: the cursor is read anew after every assignment.
  consumer.on(consumer.events.GROUP_JOIN, () => positions.clear());
  consumer.on(consumer.events.HEARTBEAT, () => (lastTickAt = Date.now()));
  consumer.on(consumer.events.FETCH, () => (lastTickAt = Date.now()));
  // kafkajs passes over a batch that holds only control or aborted records by itself, and never shows it to eachBatch.
  // Without this the cursor would stay before such a tail, and whoever waits for the log's end would wait for ever.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
    if (payload.batchSize > 0 || payload.topic !== topic || payload.firstOffset === null) return;
    passFiltered(
      payload.partition,
      parseOffset(payload.firstOffset),
      parseOffset(payload.lastOffset),
      parseOffset(payload.highWatermark),
    ).catch(fail);
  });

  async function positionOf(partition: number): Promise<Position> {
    const known = positions.get(partition);
    if (known) return known;
    const cursor = await totals.readCursor(partition, topic);
    if (cursor === undefined) throw uninitialised(topic, partition);
    const now = Date.now();
    const position = { cursor, highWatermark: cursor, seeks: 0, lastProgressAt: now, committedAt: now };
    positions.set(partition, position);
    return position;
  }

  /** Follows the chain's rules for a batch; false when it was not to be applied, and a seek is under way. */
  async function continues(partition: number, position: Position, batch: FetchedRange): Promise<boolean> {
    const { cursor, seeks } = position;
    let decision = decide({ cursor, batch, seeks });
    if (decision.do === 'ask') {
      const log = (await logRanges(client, [topic])).get(topic)?.[partition] ?? { start: 0, end: 0 };
      decision = decide({ cursor, batch, seeks, log });
    }
    if (decision.do === 'stop') throw stopped(topic, partition, decision);
    if (decision.do === 'apply') return true;
    seek(partition, position);
    return false;
  }

  function seek(partition: number, position: Position): void {
    log.info({ topic, partition, cursor: position.cursor }, 'seeking to the cursor');
    position.seeks += 1;
    consumer.seek({ topic, partition, offset: String(position.cursor) });
  }

  async function passFiltered(
    partition: number,
    firstOffset: number,
    lastOffset: number,
    highWatermark: number,
  ): Promise<void> {
    if (stopping || failed) return;
    const position = await positionOf(partition);
    position.highWatermark = highWatermark;
    const next = lastOffset + 1;
    if (next <= position.cursor) return;
    if (
      !(await continues(partition, position, {
        fetchedOffset: Math.max(firstOffset, position.cursor),
        lastOffset,
      }))
    )
      return;
    await applyChunk(partition, position, { topic, from: position.cursor, next, events: [] });
  }

  /** Applies a chunk; false when Redis stands before it, and a seek is under way. */
  async function applyChunk(partition: number, position: Position, chunk: Chunk): Promise<boolean> {
    let sent = chunk;
    for (;;) {
      const answer = await totals.apply(partition, sent);
      switch (answer.answer) {
        case 'APPLIED':
        case 'ALREADY_APPLIED': {
          position.cursor = chunk.next;
          position.seeks = 0;
          position.lastProgressAt = Date.now();
          return true;
        }
        case 'OVERLAP': {
          const from = answer.cursor;
          sent = { ...sent, from, events: sent.events.filter(({ offset }) => offset >= from) };
          continue;
        }
        case 'GAP': {
          log.warn(
            { topic, partition, cursor: answer.cursor, expected: sent.from },
            'Redis stands before what was applied',
          );
          await totals.restore();
          position.cursor = answer.cursor;
          seek(partition, position);
          return false;
        }
        case 'UNINITIALISED':
          throw uninitialised(topic, partition);
        case 'REJECTED':
          throw new TallymanError(
            'REJECTED',
            `${topic}/${partition}, offsets ${sent.from} to ${sent.next - 1}, cannot be applied: ${answer.detail}. Nothing was written`,
            { topic, partition, from: sent.from, next: sent.next, detail: answer.detail },
          );
      }
    }
  }

  async function eachBatch(payload: EachBatchPayload): Promise<void> {
    const { batch, heartbeat, isRunning, isStale, resolveOffset } = payload;
    if (failed) return;
    const { partition } = batch;
    const position = await positionOf(partition);
    position.highWatermark = parseOffset(batch.highWatermark);
    // Present at run time, absent from kafkajs's types.
    const { fetchedOffset } = batch as unknown as { fetchedOffset: string };
    const lastOffset = parseOffset(batch.lastOffset());
    if (!(await continues(partition, position, { fetchedOffset: parseOffset(fetchedOffset), lastOffset })))
      return;

    // While Redis applies one chunk the next is rated. Sent after it, it can only be applied after it: it begins where
    // the other ends.
    let underWay: Promise<boolean> = Promise.resolve(true);
    for (const prepared of chunksOf(batch.messages, partition, position.cursor, lastOffset + 1)) {
      // Dead letters first: once the cursor is past a bad event nobody will look at it again.
      if (prepared.rejected.length > 0) await deadLetters.publish(prepared.rejected);
      if (!(await underWay)) return;
      if (!isRunning() || isStale()) return;
      underWay = applyChunk(partition, position, prepared.chunk);
      underWay.catch(() => undefined); // Seen at the next await; until then it is nobody's unhandled rejection.
      await heartbeat();
    }
    if (!(await underWay)) return;
    lastTickAt = Date.now();
    resolveOffset(String(lastOffset));
    await commitHint(payload, partition, position);
  }

  /** Kafka's committed offset shows the lag to other tools. It is never read back. */
  async function commitHint(
    { commitOffsetsIfNecessary }: EachBatchPayload,
    partition: number,
    position: Position,
  ): Promise<void> {
    if (Date.now() - position.committedAt < COMMIT_INTERVAL_MS) return;
    position.committedAt = Date.now();
    await commitOffsetsIfNecessary({
      topics: [{ topic, partitions: [{ partition, offset: String(position.cursor) }] }],
    });
  }

  function* chunksOf(
    messages: readonly KafkaMessage[],
    partition: number,
    cursor: number,
    end: number,
  ): Generator<PreparedChunk> {
    let from = cursor;
    let events: RatedEvent[] = [];
    let rejected: RejectedRecord[] = [];
    let bytes = 0;
    let count = 0;
    for (const message of messages) {
      const offset = parseOffset(message.offset);
      if (offset < cursor) continue;
      if (count >= CHUNK_EVENTS_MAX || bytes >= CHUNK_BYTES_MAX) {
        yield { chunk: { topic, from, next: offset, events }, rejected };
        from = offset;
        events = [];
        rejected = [];
        bytes = 0;
        count = 0;
      }
      const { value, key, headers } = message;
      const timestampMs = Number(message.timestamp);
      const rated = options.rate({ offset, timestampMs, value, ...(headers && { headers }) });
      if (rated.ok) events.push(rated.event);
      else rejected.push({ topic, partition, offset, timestampMs, key, value, headers, rejection: rated });
      bytes += value?.length ?? 0;
      count += 1;
    }
    yield { chunk: { topic, from, next: end, events }, rejected };
  }

  return {
    async start() {
      await checkLogBounds(client, topic, totals);
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async (payload) => {
          try {
            await eachBatch(payload);
          } catch (error) {
            // kafkajs knows what to do about its own (a rebalance, a broker that went away). Everything else it would
            // retry, or it would end the consumer and leave the process alive and idle.
            if (!isKafkajsError(error)) fail(error);
            throw error;
          }
        },
      });
    },
    stop: () =>
      (stopping ??= (async () => {
        await consumer.stop();
        await consumer.disconnect();
      })()),
    status: () => ({
      lastTickAt,
      partitions: [...positions].map(([partition, { cursor, highWatermark, lastProgressAt }]) => ({
        partition,
        cursor,
        highWatermark,
        lastProgressAt,
      })),
    }),
  };
}

function createConsumer({ client, groupId }: RunnerOptions): Consumer {
  return client.kafkajs.consumer({
    groupId,
    sessionTimeout: 30_000,
    heartbeatInterval: 3_000,
    rebalanceTimeout: 60_000,
    allowAutoTopicCreation: false,
    // Answers come as soon as there is a byte; this is only how long an idle fetch hangs, and a stop may take.
    maxWaitTimeInMs: 500,
    maxBytesPerPartition: 2 * 1024 * 1024,
    // By default kafkajs starts a crashed consumer again, for ever, behind a green health check.
    retry: {
      initialRetryTime: 200,
      maxRetryTime: 5_000,
      retries: 16,
      restartOnFailure: () => Promise.resolve(false),
    },
  });
}

/** A cursor outside the log is found before the first fetch: an idle partition would never show it. */
async function checkLogBounds(client: KafkaClient, topic: string, totals: ApplyTarget): Promise<void> {
  const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
  for (const [partition, log] of ranges.entries()) {
    const cursor = await totals.readCursor(partition, topic);
    if (cursor === undefined) throw uninitialised(topic, partition);
    const stop = checkCursor(cursor, log);
    if (stop) throw stopped(topic, partition, stop);
  }
}

function stopped(topic: string, partition: number, decision: ChainStop): TallymanError {
  return new TallymanError(decision.code, `${topic}/${partition}: ${decision.message}`, { topic, partition });
}

function uninitialised(topic: string, partition: number): TallymanError {
  return new TallymanError(
    'UNINITIALISED',
    `Redis holds no cursor of ${topic}/${partition}. A first start: run \`tallyman init\``,
    { topic, partition },
  );
}

/** By name: an instance of another copy of the package must be known too. */
function isKafkajsError(error: unknown): boolean {
  return error instanceof Error && error.name.startsWith('KafkaJS');
}
