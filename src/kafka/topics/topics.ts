import { ConfigResourceTypes, KafkaJSError, type ITopicConfig } from 'kafkajs';
import { pause } from '../../lib/process/poller';
import { TallymanError } from '../../lib/errors';
import type { KafkaClient } from '../client';
import type { LogPoint } from './list-offsets';
import { inSyncOf } from './replication';

const USAGE_TOPICS = ['usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'] as const;
const LEDGER_TOPICS = [
  'billing.projects',
  'billing.closes',
  'billing.totals',
  'billing.invoices',
  'billing.settings',
  'billing.alerts',
] as const;
export const DEAD_LETTER_TOPIC = 'usage.dead-letters';

const MIB = 1_048_576;
const DAY_MS = 86_400_000;
export const LOG_APPEND_TIME = 'LogAppendTime';
/**
 * More than the 1 MiB that an event may have, so that larger events arrive and become dead letters.
 */
export const USAGE_MESSAGE_MAX_BYTES = 2 * MIB;
export const LEDGER_MESSAGE_MAX_BYTES = 4 * MIB;
/** A dead letter holds up to 1 MiB as base64, with key and headers (see dead-letter.ts). */
export const DEAD_LETTER_MESSAGE_MAX_BYTES = 8 * MIB;

export const topicName = (prefix: string, topic: string): string =>
  prefix === '' ? topic : `${prefix}.${topic}`;

export const usageTopics = (prefix: string): string[] =>
  USAGE_TOPICS.map((topic) => topicName(prefix, topic));

export const ledgerTopics = (prefix: string): string[] =>
  LEDGER_TOPICS.map((topic) => topicName(prefix, topic));

export type TimestampSource = 'append' | 'create';

export interface TopicSettings {
  readonly partitions: number;
  /** Copies of each partition; undefined for the default of the brokers. */
  readonly replication?: number | undefined;
  /** The retention of the usage topics and the dead letters. */
  readonly retentionDays: number;
  /**
   * Whose clock dates the records of the usage topics: the broker's (`append`, the default) or the
   * producer's (`create`), which replaying an old log needs.
   */
  readonly timestamps?: TimestampSource;
}

/**
 * Creates the topics that are missing and leaves the others as they are. A dry run creates none.
 *
 * @returns the names of those that were missing
 * @throws TallymanError `TOPIC_TOO_NARROW` if an existing topic takes only smaller messages than
 *   required, so that one large event would stop its consumer
 */
export async function createTopics(
  client: KafkaClient,
  prefix: string,
  settings: TopicSettings & { readonly dryRun?: boolean | undefined },
): Promise<string[]> {
  const admin = await client.admin();
  const wanted = topicConfigs(prefix, settings);
  const present = await client.topics(wanted.map(({ topic }) => topic));
  const missing = wanted.filter(({ topic }) => !present.has(topic));
  if (missing.length > 0 && !settings.dryRun) {
    // kafkajs's own wait fails at the first answer of a broker that does not know the topic yet.
    await admin.createTopics({ topics: missing, waitForLeaders: false });
    await whileElecting(() => checkLeaders(client, missing));
  }
  await checkMessageSizes(
    client,
    wanted.filter(({ topic }) => present.has(topic)),
  );
  return missing.map(({ topic }) => topic);
}

async function checkLeaders(client: KafkaClient, wanted: readonly ITopicConfig[]): Promise<void> {
  const topics = await client.topics(wanted.map(({ topic }) => topic));
  for (const { topic, numPartitions = 1 } of wanted) {
    const led = (topics.get(topic) ?? []).filter(({ leader }) => leader >= 0);
    if (led.length < numPartitions) throw new KafkaJSError(`${topic} has no leader yet`, { retriable: true });
  }
}

function topicConfigs(prefix: string, settings: TopicSettings): ITopicConfig[] {
  const { partitions, replication, retentionDays, timestamps = 'append' } = settings;
  const topic = (name: string, numPartitions: number, config: Record<string, string>): ITopicConfig => ({
    topic: topicName(prefix, name),
    numPartitions,
    replicationFactor: replication ?? -1,
    configEntries: Object.entries({
      'message.timestamp.type': 'CreateTime',
      // With three replicas, an acknowledged record is in at least two, so losing one broker loses
      // nothing.
      ...(replication !== undefined && { 'min.insync.replicas': String(inSyncOf(replication)) }),
      ...config,
    }).map(([key, value]) => ({ name: key, value })),
  });
  const kept = { 'cleanup.policy': 'delete', 'retention.ms': String(retentionDays * DAY_MS) };
  return [
    ...USAGE_TOPICS.map((name) =>
      topic(name, partitions, {
        ...kept,
        'max.message.bytes': String(USAGE_MESSAGE_MAX_BYTES),
        'message.timestamp.type': timestamps === 'append' ? LOG_APPEND_TIME : 'CreateTime',
      }),
    ),
    topic(DEAD_LETTER_TOPIC, partitions, {
      ...kept,
      // Retention depends on it: a consumer whose clock is wrong must not delete its dead letters.
      'message.timestamp.type': LOG_APPEND_TIME,
      'max.message.bytes': String(DEAD_LETTER_MESSAGE_MAX_BYTES),
    }),
    // One partition, so that the records of all projects are in one order. They are few enough for
    // it.
    ...LEDGER_TOPICS.map((name) =>
      topic(name, 1, {
        'cleanup.policy': 'compact',
        'max.message.bytes': String(LEDGER_MESSAGE_MAX_BYTES),
        // Its records show the brokers' time: see broker-time.ts.
        ...(name === 'billing.settings' && { 'message.timestamp.type': LOG_APPEND_TIME }),
      }),
    ),
  ];
}

/** The topics that `createTopics` creates. */
export const ownTopics = (prefix: string): string[] => [
  ...ledgerTopics(prefix),
  ...usageTopics(prefix),
  topicName(prefix, DEAD_LETTER_TOPIC),
];

/** The topics that an installation needs and that do not exist. */
export async function missingTopics(client: KafkaClient, prefix: string): Promise<string[]> {
  const wanted = ownTopics(prefix);
  const found = await client.topics(wanted);
  return wanted.filter((topic) => !found.has(topic));
}

/**
 * Refuses usage topics that are as Kafka creates them by itself when somebody publishes before
 * `init` (`auto.create.topics.enable`): with too few partitions, or for small messages only.
 *
 * @throws TallymanError `TOPIC_AUTO_CREATED` with the commands that make them right
 */
export async function checkNoneAutoCreated(
  client: KafkaClient,
  prefix: string,
  settings: TopicSettings,
): Promise<void> {
  const names = new Set([...usageTopics(prefix), topicName(prefix, DEAD_LETTER_TOPIC)]);
  const wanted = topicConfigs(prefix, settings).filter(({ topic }) => names.has(topic));
  const present = await client.topics([...names]);
  if (present.size === 0) return;
  const existing = wanted.filter(({ topic }) => present.has(topic));
  const counts = [...present.values()].map(({ length }) => length);
  const most = Math.max(...counts, ...(present.size < names.size ? [settings.partitions] : []));
  const fewer = existing.filter(({ topic }) => present.get(topic)!.length < most);
  const narrow = (await messageSizes(client, existing)).filter(({ found, least }) => found < least);
  if (fewer.length === 0 && narrow.length === 0) return;
  const server = `--bootstrap-server ${client.bootstrapServer}`;
  const commands = existing.flatMap(({ topic, configEntries = [] }) => [
    ...(narrow.some((one) => one.topic === topic)
      ? [
          `kafka-configs.sh ${server} --alter --entity-type topics --entity-name ${topic} --add-config ${settingsText(configEntries)}`,
        ]
      : []),
    ...(fewer.some((one) => one.topic === topic)
      ? [`kafka-topics.sh ${server} --alter --topic ${topic} --partitions ${most}`]
      : []),
  ]);
  const again = most > settings.partitions ? `tallyman init --partitions ${most}` : 'tallyman init';
  const topics = existing.filter(
    (one) => fewer.includes(one) || narrow.some(({ topic }) => topic === one.topic),
  );
  throw new TallymanError(
    'TOPIC_AUTO_CREATED',
    [
      `${topics.map(({ topic }) => topic).join(', ')} exists already, with other settings than Tallyman needs. Kafka creates a topic like this if somebody publishes before \`init\` (auto.create.topics.enable). Nothing was created or lost. Run:`,
      ...commands,
      again,
    ].join('\n  '),
    { topics: topics.map(({ topic }) => topic), commands: [...commands, again] },
  );
}

const settingsText = (entries: readonly { readonly name: string; readonly value: string }[]): string =>
  entries
    .filter(({ name }) => name !== 'min.insync.replicas')
    .map(({ name, value }) => `${name}=${value}`)
    .join(',');

const MESSAGE_BYTES = 'max.message.bytes';

async function messageSizes(
  client: KafkaClient,
  wanted: readonly ITopicConfig[],
): Promise<{ topic: string; found: number; least: number }[]> {
  if (wanted.length === 0) return [];
  const admin = await client.admin();
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: wanted.map(({ topic }) => ({
      type: ConfigResourceTypes.TOPIC,
      name: topic,
      configNames: [MESSAGE_BYTES],
    })),
  });
  return wanted.flatMap(({ topic, configEntries }) => {
    const least = Number(configEntries?.find((entry) => entry.name === MESSAGE_BYTES)?.value);
    const found = resources.find(({ resourceName }) => resourceName === topic)?.configEntries[0]?.configValue;
    return found === undefined ? [] : [{ topic, found: Number(found), least }];
  });
}

async function checkMessageSizes(client: KafkaClient, wanted: readonly ITopicConfig[]): Promise<void> {
  for (const { topic, found, least } of await messageSizes(client, wanted)) {
    if (found >= least) continue;
    throw new TallymanError(
      'TOPIC_TOO_NARROW',
      `${topic} takes messages up to ${found} bytes and needs ${least}: set its ${MESSAGE_BYTES} to ${least}.`,
      { topic, found, least },
    );
  }
}

/**
 * Checks that the usage topics exist and have the same number of partitions.
 *
 * @param planned the partitions of topics that do not exist yet
 * @returns the number of partitions
 * @throws TallymanError `TOPICS_MISSING` or `NOT_CO_PARTITIONED`
 */
export async function checkCoPartitioned(
  client: KafkaClient,
  prefix: string,
  planned?: number,
): Promise<number> {
  const names = usageTopics(prefix);
  const topics = await client.topics(names);
  const missing = names.filter((name) => !topics.has(name));
  if (missing.length > 0 && planned === undefined) throw topicsMissing(missing);
  const counts = Object.fromEntries(names.map((name) => [name, topics.get(name)?.length ?? planned!]));
  const most = Math.max(...Object.values(counts));
  const fewer = names.filter((name) => counts[name] !== most);
  if (fewer.length > 0) {
    throw new TallymanError(
      'NOT_CO_PARTITIONED',
      `The usage topics must have the same number of partitions, and ${fewer.join(', ')} has fewer than ${most}. ` +
        `Run \`tallyman grow --partitions ${most}\`.`,
      { partitions: counts },
    );
  }
  return most;
}

/**
 * topic -> its number of partitions.
 *
 * @throws TallymanError `TOPICS_MISSING`
 */
export async function countPartitions(
  client: KafkaClient,
  names: readonly string[],
): Promise<Map<string, number>> {
  const topics = await client.topics(names);
  const missing = names.filter((name) => !topics.has(name));
  if (missing.length > 0) throw topicsMissing(missing);
  return new Map([...topics].map(([name, partitions]) => [name, partitions.length]));
}

/** Adds partitions to topics that have fewer, and waits until all have leaders. */
export async function addPartitions(
  client: KafkaClient,
  topics: readonly string[],
  partitions: number,
): Promise<void> {
  if (topics.length === 0) return;
  const admin = await client.admin();
  await admin.createPartitions({ topicPartitions: topics.map((topic) => ({ topic, count: partitions })) });
  await whileElecting(() =>
    checkLeaders(
      client,
      topics.map((topic) => ({ topic, numPartitions: partitions })),
    ),
  );
}

/** topic -> partition -> the first offset that still exists. */
export function logStarts(client: KafkaClient, topics: readonly string[]): Promise<Map<string, number[]>> {
  return logOffsets(client, topics, 'start');
}

/** topic -> partition -> the offset that the next record will get. */
export function logEnds(client: KafkaClient, topics: readonly string[]): Promise<Map<string, number[]>> {
  return logOffsets(client, topics, 'end');
}

/**
 * topic -> partition -> the offset up to which consumers read, which is below the end while a
 * transaction is open.
 */
export function stableEnds(client: KafkaClient, topics: readonly string[]): Promise<Map<string, number[]>> {
  return logOffsets(client, topics, 'stable');
}

async function logOffsets(
  client: KafkaClient,
  topics: readonly string[],
  point: LogPoint,
): Promise<Map<string, number[]>> {
  try {
    return await whileElecting(() => client.listOffsets(topics, point));
  } catch (error) {
    if (!isUnknownTopic(error)) throw error;
    const found = await client.topics(topics);
    throw topicsMissing(topics.filter((topic) => !found.has(topic)));
  }
}

/** The offsets that a partition's log holds, from `start` up to `end` exclusive. */
export interface LogRange {
  readonly start: number;
  readonly end: number;
}

export async function logRanges(
  client: KafkaClient,
  topics: readonly string[],
): Promise<Map<string, LogRange[]>> {
  const starts = await logStarts(client, topics);
  const ends = await logEnds(client, topics);
  return new Map(
    [...ends].map(([topic, all]) => [
      topic,
      all.map((end, partition) => ({ start: starts.get(topic)![partition] ?? end, end })),
    ]),
  );
}

/**
 * Where the records from a given time on begin in each partition, by their timestamps. It is the
 * log's end if there are none.
 */
export async function offsetsAt(client: KafkaClient, topic: string, timestampMs: number): Promise<number[]> {
  const admin = await client.admin();
  const offsets: number[] = [];
  for (const { partition, offset } of await whileElecting(() =>
    admin.fetchTopicOffsetsByTimestamp(topic, timestampMs),
  )) {
    offsets[partition] = Number(offset);
  }
  return offsets;
}

function topicsMissing(topics: readonly string[]): TallymanError {
  return new TallymanError('TOPICS_MISSING', `No topic ${topics.join(', ')}: run \`tallyman init\` first.`, {
    topics,
  });
}

function isUnknownTopic(error: unknown): boolean {
  const { type, cause } = error as { type?: string; cause?: unknown };
  return type === 'UNKNOWN_TOPIC_OR_PARTITION' || (cause instanceof Error && isUnknownTopic(cause));
}

const ELECTION_ATTEMPTS = 150;
const ELECTION_RETRY_MS = 100;

/**
 * A new topic, or one whose broker was just lost, has no leader for a moment, and a broker that has
 * just come back does not know it yet. kafkajs's admin does not wait for it, nor does a producer's
 * first look.
 *
 * @param ask may be done again
 */
export async function whileElecting<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await ask();
    } catch (error) {
      const { retriable } = error as { retriable?: boolean };
      if (retriable !== true || attempt === ELECTION_ATTEMPTS) throw error;
      await pause(ELECTION_RETRY_MS);
    }
  }
}

/**
 * Creates a topic that `createTopics` does not, with the brokers' default partitions and replicas.
 * Repeatable.
 */
export async function createTopic(
  client: KafkaClient,
  topic: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const admin = await client.admin();
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  const wanted = [{ topic, numPartitions: -1, replicationFactor: -1, configEntries }];
  await admin.createTopics({ topics: wanted, waitForLeaders: false });
  await whileElecting(() => checkLeaders(client, [{ topic }]));
}
