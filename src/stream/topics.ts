import type { ITopicConfig } from 'kafkajs';
import { usageConsumers } from '../../consumers';
import { TallymanError } from '../errors';
import type { KafkaClient } from './kafka';

const MS_PER_DAY = 86_400_000;
/** Twice what an event may have, so that one too large is seen as a dead letter instead of failing at the producer. */
const MESSAGE_BYTES_MAX = 2 * 1024 * 1024;
const LEDGER_TOPICS = ['billing.projects', 'billing.closes', 'billing.invoices'] as const;
const DEAD_LETTERS_TOPIC = 'usage.dead-letters';

/** A topic's name in an installation: `usage.session`, or `acme.usage.session` with a prefix. */
export function topicName(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}.${name}`;
}

/** The four raw topics. */
export function usageTopics(prefix: string): string[] {
  return usageConsumers.map(({ topic }) => topicName(prefix, topic));
}

export function deadLettersTopic(prefix: string): string {
  return topicName(prefix, DEAD_LETTERS_TOPIC);
}

export interface TopicSettings {
  readonly partitions: number;
  readonly replication: number;
  readonly retentionDays: number;
}

/** Creates the topics that are missing, and leaves the others as they are. Returns the names of the new ones. */
export async function createTopics(
  client: KafkaClient,
  prefix: string,
  settings: TopicSettings,
): Promise<string[]> {
  const admin = await client.admin();
  const existing = new Set(await admin.listTopics());
  const bytes = { name: 'max.message.bytes', value: String(MESSAGE_BYTES_MAX) };
  const retention = { name: 'retention.ms', value: String(settings.retentionDays * MS_PER_DAY) };
  const wanted: ITopicConfig[] = [
    ...usageTopics(prefix).map((topic) => ({
      topic,
      numPartitions: settings.partitions,
      configEntries: [retention, bytes, { name: 'message.timestamp.type', value: 'CreateTime' }],
    })),
    { topic: deadLettersTopic(prefix), numPartitions: 1, configEntries: [retention, bytes] },
    // One partition each: few and small records, whose order over all keys is then told by their offsets.
    ...LEDGER_TOPICS.map((name) => ({
      topic: topicName(prefix, name),
      numPartitions: 1,
      configEntries: [{ name: 'cleanup.policy', value: 'compact' }, bytes],
    })),
  ];
  const missing = wanted.filter(({ topic }) => !existing.has(topic));
  if (missing.length > 0) {
    await admin.createTopics({
      waitForLeaders: true,
      topics: missing.map((topic) => ({ ...topic, replicationFactor: settings.replication })),
    });
  }
  return missing.map(({ topic }) => topic);
}

/**
 * Makes sure that the usage topics have the same number of partitions: partition n of all four shares the shard n.
 *
 * @returns that number
 * @throws TallymanError `TOPIC_MISSING`, `NOT_CO_PARTITIONED`
 */
export async function checkCoPartitioned(client: KafkaClient, prefix: string): Promise<number> {
  const topics = usageTopics(prefix);
  const admin = await client.admin();
  const existing = new Set(await admin.listTopics());
  const missing = topics.filter((topic) => !existing.has(topic));
  if (missing.length > 0) {
    throw new TallymanError(
      'TOPIC_MISSING',
      `Kafka has no topic ${missing.join(', ')}: run \`tallyman init\``,
      { missing },
    );
  }
  const metadata = await admin.fetchTopicMetadata({ topics });
  const counts = new Map(metadata.topics.map(({ name, partitions }) => [name, partitions.length]));
  const [first = 0, ...others] = counts.values();
  if (others.some((count) => count !== first)) {
    const found = [...counts].map(([name, count]) => `${name} ${count}`).join(', ');
    throw new TallymanError(
      'NOT_CO_PARTITIONED',
      `The usage topics must have the same number of partitions (${found}): add partitions to the smaller ones`,
      Object.fromEntries(counts),
    );
  }
  return first;
}

/** topic -> partition -> the first offset that is still there. */
export function logStarts(client: KafkaClient, topics: readonly string[]): Promise<Map<string, number[]>> {
  return logOffsets(client, topics, 'low');
}

/** topic -> partition -> the offset after the last one. */
export function logEnds(client: KafkaClient, topics: readonly string[]): Promise<Map<string, number[]>> {
  return logOffsets(client, topics, 'high');
}

async function logOffsets(
  client: KafkaClient,
  topics: readonly string[],
  which: 'low' | 'high',
): Promise<Map<string, number[]>> {
  const admin = await client.admin();
  const offsets = new Map<string, number[]>();
  for (const topic of topics) {
    const byPartition: number[] = [];
    for (const found of await admin.fetchTopicOffsets(topic))
      byPartition[found.partition] = parseOffset(found[which]);
    offsets.set(topic, byPartition);
  }
  return offsets;
}

/** Kafka's offsets are 64-bit; beyond 2^53 a number would no longer tell two of them apart. */
export function parseOffset(text: string): number {
  const offset = Number(text);
  if (!Number.isSafeInteger(offset)) {
    throw new TallymanError('BAD_OFFSET', `Kafka gave the offset "${text}"`, { offset: text });
  }
  return offset;
}
