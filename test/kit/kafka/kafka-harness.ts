import type { ITopicConfig } from 'kafkajs';
import type { DeadLetters, RejectedRecord } from '../../../src/dead-letters/dead-letter';
import { openKafka, type KafkaClient } from '../../../src/kafka/client';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import {
  createTopicConsumer,
  type TopicConsumer,
  type TopicConsumerOptions,
} from '../../../src/ingest/consumer';
import { createTopics, topicName } from '../../../src/kafka/topics/topics';
import { eventually } from '../eventually';
import type { ApplyTarget } from '../../../src/ingest/count-chunk';
import { NOTHING_APPLIED, type ApplyAnswer, type Chunk } from '../../../src/redis/apply/chunk';
import { testBrokers, uniquePrefix } from '../services';
import { createLogger } from '../../../src/lib/logger';

export const quietLog = createLogger(process.env['TEST_LOG_LEVEL'] ?? 'silent');

export const openTestKafka = (clientId = 'test'): KafkaClient =>
  openKafka({ brokers: testBrokers(), clientId }, quietLog);

/** Creates a topic and waits until the broker knows of it. */
export async function createTopic(client: KafkaClient, config: ITopicConfig): Promise<void> {
  const admin = await client.admin();
  await admin.createTopics({ topics: [config], waitForLeaders: false });
  await eventually(
    async () => (await admin.fetchTopicMetadata({ topics: [config.topic] })).topics.length === 1,
  );
  await eventually(async () => (await admin.fetchTopicOffsets(config.topic)).length > 0);
}

/**
 * The totals' protocol in memory: a cursor a partition, and every event that was applied, in order.
 */
export class MemoryTotals implements ApplyTarget {
  readonly cursors = new Map<number, number>();
  readonly applied = new Map<number, number[]>();
  readonly chunks: Chunk[] = [];
  restores = 0;
  /**
   * Called before each apply: what it does happens, for the caller, while the chunk is on its way.
   */
  onApply: (shard: number, chunk: Chunk) => void | Promise<void> = () => undefined;

  constructor(partitions: number, from = 0) {
    for (let partition = 0; partition < partitions; partition += 1) this.cursors.set(partition, from);
  }

  async apply(shard: number, chunk: Chunk): Promise<ApplyAnswer> {
    await this.onApply(shard, chunk);
    return this.applyNow(shard, chunk);
  }

  readCursor(shard: number): Promise<number | undefined> {
    return Promise.resolve(this.cursors.get(shard));
  }

  readEpoch(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  assign(): void {
    // It keeps all in memory as it is.
  }

  restore(): Promise<void> {
    this.restores += 1;
    return Promise.resolve();
  }

  /** Loses what was applied from an offset on: cursor and counts together, as Redis does. */
  goBack(shard: number, to: number): void {
    this.cursors.set(shard, to);
    this.applied.set(
      shard,
      this.offsets(shard).filter((offset) => offset < to),
    );
  }

  offsets(shard: number): number[] {
    return this.applied.get(shard) ?? [];
  }

  private applyNow(shard: number, chunk: Chunk): ApplyAnswer {
    const cursor = this.cursors.get(shard);
    if (cursor === undefined) return { answer: 'UNINITIALISED' };
    if (chunk.next <= cursor) return { answer: 'ALREADY_APPLIED', cursor };
    if (chunk.from < cursor) return { answer: 'OVERLAP', cursor };
    if (chunk.from > cursor) return { answer: 'GAP', cursor };
    this.chunks.push(chunk);
    this.cursors.set(shard, chunk.next);
    const offsets = this.offsets(shard);
    offsets.push(...chunk.events.map(({ offset }) => offset));
    this.applied.set(shard, offsets);
    return { answer: 'APPLIED', ...NOTHING_APPLIED, counted: chunk.events.length };
  }
}

/** The dead letters that were published, in memory. */
export class MemoryDeadLetters implements DeadLetters {
  readonly records: RejectedRecord[] = [];

  publish(records: readonly RejectedRecord[]): Promise<void> {
    this.records.push(...records);
    return Promise.resolve();
  }
}

/** A rating that takes everything. */
export const rateAnything: TopicConsumerOptions['rate'] = ({ offset }) => ({
  ok: true,
  event: {
    offset,
    project: 'p',
    source: 's',
    id: String(offset),
    month: '2026-09',
    day: '2026-09-01',
    usages: [],
  },
});

/** One usage topic of its own, and what is needed to fill it and to consume it. */
export interface TestTopic {
  readonly client: KafkaClient;
  readonly publisher: Publisher;
  readonly prefix: string;
  readonly topic: string;
  readonly groupId: string;
  /** Publishes records to a partition; their values are `v0`, `v1` and so on. */
  fill(partition: number, records: number): Promise<void>;
  runner(totals: ApplyTarget, more?: Partial<TopicConsumerOptions>): TestRunner;
  /** Stops the runners it made, and closes what it opened. */
  close(): Promise<void>;
}

export interface TestRunner extends TopicConsumer {
  /** What `onFatal` was told. */
  readonly fatal: unknown[];
}

export async function testTopic(partitions: number): Promise<TestTopic> {
  const client = openTestKafka();
  const prefix = uniquePrefix();
  const topic = topicName(prefix, 'usage.session');
  const groupId = `${prefix}.tallyman.session`;
  await createTopics(client, prefix, {
    ...{ partitions, replication: 1, retentionDays: 1 },
    timestamps: 'create',
  });
  const publisher = await createPublisher(client);
  const clients: KafkaClient[] = [client];
  const runners: TopicConsumer[] = [];
  return {
    ...{ client, publisher, prefix, topic, groupId },
    fill: (partition, records) =>
      publisher.publish(
        topic,
        Array.from({ length: records }, (_, i) => ({ key: null, value: `v${i}`, partition })),
      ),
    runner(totals, more = {}) {
      const fatal: unknown[] = [];
      // Of its own: members of one group must not share a kafkajs client, which keeps their offsets
      // together.
      const own = openTestKafka();
      clients.push(own);
      const runner = createTopicConsumer({
        chunkLimits: { maxRecords: 1_000, maxBytes: 4 * 1_048_576 },
        ...{ client: own, topic, groupId, totals },
        deadLetters: new MemoryDeadLetters(),
        rate: rateAnything,
        logger: quietLog,
        onFatal: (error) => void fatal.push(error),
        ...more,
      });
      runners.push(runner);
      return Object.assign(runner, { fatal });
    },
    async close() {
      await Promise.all(runners.map((runner) => runner.stop()));
      await publisher.close();
      await Promise.all(clients.map((one) => one.close()));
    },
  };
}

/** The next fatal error of a runner. */
export async function fatalOf({ fatal }: TestRunner): Promise<unknown> {
  await eventually(() => fatal.length > 0, { what: 'a fatal error' });
  return fatal[0];
}

export const countTo = (end: number, start = 0): number[] =>
  Array.from({ length: end - start }, (_, i) => start + i);
