import {
  KafkaJSError,
  KafkaJSNonRetriableError,
  type Consumer,
  type ConsumerCrashEvent,
  type EachBatchPayload,
} from '../kafka/client';
import { TallymanError } from '../lib/errors';
import type { Logger } from '../lib/logger';
import { mayPass } from '../redis/redis-errors';
import type { LayoutWatch } from '../installation/layout';
import { addCounts, NOTHING_APPLIED, type AppliedCounts } from '../redis/apply/chunk';
import type { ChunkOutcome } from './count-chunk';
import type { ConsumerMetrics } from './health/consumer-metrics';
import { createCommitHints, type CommitHints } from './commit-hints';
import { Partitions, type PartitionStatus, type TopicWork } from './partitions';
import { RedisOutages } from './guards/redis-outages';
import { createRestartPolicy } from './guards/restart-policy';
import { createTopicGuard } from './guards/topic-guard';

export type { ApplyTarget } from './count-chunk';
export type { PartitionStatus } from './partitions';

/** Anything that `rate` throws is fatal. */
export interface TopicConsumerOptions extends TopicWork {
  readonly metrics?: Pick<ConsumerMetrics, 'observeDelay' | 'observeDeadLetters'>;
  readonly groupId: string;
  /**
   * The id of the topic when its cursors were created; undefined if the cluster has no topic ids.
   */
  readonly topicId?: string | undefined;
  /** Undefined if added partitions need not be noticed. */
  readonly layout?: LayoutWatch | undefined;
  readonly logger: Logger;
  /** Called once, with the error that stops this consumer. Its process must end then. */
  onFatal(error: unknown): void;
}

export interface TopicConsumerStatus extends AppliedCounts {
  readonly topic: string;
  /** How long ago the consumer last completed a turn of its loop, busy or idle. */
  readonly idleMs: number;
  readonly partitions: readonly PartitionStatus[];
  /** Since the start of this consumer, like the other counts. */
  readonly rejected: number;
}

export interface TopicConsumer {
  /** Resolves when the group is joined. Later errors go to `onFatal`. */
  start(): Promise<void>;
  /**
   * Finishes the current chunk, commits, leaves the group and disconnects. May be called at any
   * time, and repeatedly.
   *
   * @param during is given each step, to report one that does not end
   */
  stop(during?: During): Promise<void>;
  status(): TopicConsumerStatus;
}

type During = (what: string, wait: Promise<unknown>) => Promise<unknown>;

/**
 * An idle fetch returns after this long. A stop waits for it, so does a heartbeat, and the loop
 * visibly turns.
 */
const MAX_WAIT_MS = 250;
const REVIEW_INTERVAL_MS = 5_000;
const CONCURRENT_PARTITIONS = 3;
/**
 * Compressed. Everything that a fetch returns stays in memory until it is applied, and once more
 * while kafkajs puts it together.
 */
const MAX_FETCH_BYTES = 2 * 1_048_576;
/**
 * About two chunks, so that the second one is rated while the first one is applied. A larger batch
 * is still fetched whole.
 */
const MAX_PARTITION_BYTES = 524_288;

export function createTopicConsumer(options: TopicConsumerOptions): TopicConsumer {
  return new KafkaTopicConsumer(options);
}

class KafkaTopicConsumer implements TopicConsumer {
  private readonly logger: Logger;
  private readonly consumer: Consumer;
  private readonly partitions: Partitions;
  private readonly commitHints: CommitHints;
  private readonly mayRestart = createRestartPolicy();
  private readonly outages = new RedisOutages();
  private counts = NOTHING_APPLIED;
  private rejected = 0;
  /** Monotonic, like all times here. */
  private lastTickAt = performance.now();
  private lastReviewAt = Number.NEGATIVE_INFINITY;
  private reviewing: Promise<void> | undefined;
  private readonly busy = new Set<Promise<void>>();
  private starting: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;
  private hasFailed = false;

  constructor(private readonly options: TopicConsumerOptions) {
    const { client, topic, groupId, topicId, layout } = options;
    this.logger = options.logger.child({ topic });
    this.consumer = client.kafkajs.consumer({
      groupId,
      maxWaitTimeInMs: MAX_WAIT_MS,
      maxBytes: MAX_FETCH_BYTES,
      maxBytesPerPartition: MAX_PARTITION_BYTES,
      // After a crash, the partitions wait this long for their next owner. A Redis command times
      // out sooner (redis/store.ts), because kafkajs sends no heartbeat while a handler waits.
      sessionTimeout: 10_000,
      rebalanceTimeout: 30_000,
      // A member learns of a rebalance by the reply to a heartbeat. Until all have learned of it,
      // the partitions of a member that left wait.
      heartbeatInterval: 500,
      // A new partition is assigned after this long at most.
      metadataMaxAge: 5_000,
      allowAutoTopicCreation: false,
      retry: { restartOnFailure: (error) => Promise.resolve(this.onBreakdown(error)) },
    });
    this.commitHints = createCommitHints(this.consumer, topic, this.logger);
    const guard = createTopicGuard(client, topic, topicId, layout);
    this.partitions = new Partitions({
      ...options,
      logger: this.logger,
      checkTopic: () => guard.check(),
      seek: (partition, offset) => this.consumer.seek({ topic, partition, offset: String(offset) }),
      onChunk: (partition, outcome) => this.onChunk(partition, outcome),
      onCounted: (counts) => void (this.counts = addCounts(this.counts, counts)),
      onDeadLetters: (letters) => {
        this.rejected += letters.length;
        options.metrics?.observeDeadLetters(letters);
      },
    });
    const { GROUP_JOIN, FETCH, CRASH } = this.consumer.events;
    // Called synchronously, before the first fetch of the new assignment.
    this.consumer.on(GROUP_JOIN, ({ payload }) => this.onAssigned(payload.memberAssignment[topic] ?? []));
    this.consumer.on(FETCH, () => {
      guard.noteFetch();
      this.onTick();
    });
    this.consumer.on(CRASH, (event) => this.onCrash(event));
  }

  start(): Promise<void> {
    return (this.starting ??= this.startOnce());
  }

  /** Registers its work, so that a stop waits for it. */
  private async startOnce(): Promise<void> {
    await this.consumer.connect();
    if (this.isOver()) return;
    await this.consumer.subscribe({ topic: this.options.topic, fromBeginning: true });
    if (this.isOver()) return;
    await this.consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      // A small batch is one chunk. While it is being applied, the batch of another partition is
      // unpacked and rated.
      partitionsConsumedConcurrently: CONCURRENT_PARTITIONS,
      eachBatch: (payload) => this.noted(this.onBatch(payload)),
    });
  }

  stop(during: During = (_, wait) => wait): Promise<void> {
    return (this.stopping ??= this.stopOnce(during));
  }

  private async stopOnce(during: During): Promise<void> {
    const { topic } = this.options;
    await during(`${topic}: its start`, Promise.allSettled([this.starting]));
    await during(`${topic}: the chunks at hand`, Promise.allSettled(this.busy));
    await during(`${topic}: the review of its cursors`, Promise.allSettled([this.reviewing]));
    await during(`${topic}: the commit`, this.commitHints.flush());
    await during(`${topic}: leaving the group`, this.consumer.disconnect());
  }

  status(): TopicConsumerStatus {
    const { topic } = this.options;
    const idleMs = performance.now() - this.lastTickAt;
    const { counts, rejected } = this;
    return { topic, idleMs, partitions: this.partitions.status(), ...counts, rejected };
  }

  /** A stop waits for this work. */
  private noted(work: Promise<void>): Promise<void> {
    this.busy.add(work);
    return work.finally(() => this.busy.delete(work));
  }

  /**
   * kafkajs only gets its own errors. It retries errors that it does not recognise, and dies
   * silently of a TypeError.
   */
  private async onBatch(payload: EachBatchPayload): Promise<void> {
    if (this.isOver()) return;
    const { partition } = payload.batch;
    try {
      // kafkajs sends none while batches wait for a Redis that is away, and those of one fetch may
      // wait one after the other.
      await payload.heartbeat();
      await this.partitions.process(payload, () => !this.isOver());
      if (this.outages.end(partition)) this.logger.info({ partition }, 'Redis serves the partition again');
    } catch (error) {
      if (error instanceof KafkaJSError) throw error;
      const pauseMs = this.isOver()
        ? undefined
        : this.outages.pauseAfter(partition, error, performance.now());
      if (pauseMs !== undefined) {
        this.logger.warn({ partition, err: error, pauseMs }, 'the partition waits for Redis');
        this.partitions.forget(partition);
        setTimeout(payload.pause(), pauseMs).unref();
        return;
      }
      this.fail(error);
      throw new KafkaJSNonRetriableError(error instanceof Error ? error : String(error));
    }
  }

  private onChunk(partition: number, outcome: ChunkOutcome): void {
    const { topic, metrics } = this.options;
    const { publishedAtMs } = outcome;
    if (publishedAtMs !== undefined) metrics?.observeDelay(topic, publishedAtMs);
    this.lastTickAt = performance.now();
    this.commitHints.note(partition, outcome.next);
    this.commitHints.tick();
  }

  private onAssigned(partitions: readonly number[]): void {
    this.logger.info({ partitions }, 'assigned');
    this.partitions.assign(partitions);
    this.commitHints.clear();
    this.outages.clear();
    this.lastReviewAt = Number.NEGATIVE_INFINITY;
  }

  private onTick(): void {
    this.lastTickAt = performance.now();
    if (this.isOver()) return;
    this.commitHints.tick();
    if (this.reviewing || performance.now() - this.lastReviewAt < REVIEW_INTERVAL_MS) return;
    this.lastReviewAt = performance.now();
    this.reviewing = this.partitions
      .review()
      .catch((error: unknown) => {
        // If Kafka or Redis fails here, the next batch meets the same fault and handles it.
        if (error instanceof TallymanError && !mayPass(error)) this.fail(error);
        else this.logger.warn({ err: error }, 'could not compare the cursors with the log');
      })
      .finally(() => (this.reviewing = undefined));
  }

  /** kafkajs calls this when a fault of its own has outlasted its retries. */
  private onBreakdown(error: Error): boolean {
    const restarts = !this.isOver() && this.mayRestart(performance.now());
    this.logger.warn({ err: error, restarts }, 'the consumer broke down');
    return restarts;
  }

  private onCrash({ payload: { error, restart } }: ConsumerCrashEvent): void {
    if (restart) return;
    // kafkajs wraps an error that it does not retry. The cause says more.
    const { cause } = error as { cause?: unknown };
    this.fail(cause instanceof TallymanError ? cause : error);
  }

  private fail(error: unknown): void {
    if (this.isOver()) return;
    this.hasFailed = true;
    this.logger.error({ err: error }, 'the consumer cannot go on');
    this.options.onFatal(error);
  }

  private isOver(): boolean {
    return this.hasFailed || this.stopping !== undefined;
  }
}
