import { Kafka, logLevel, type Admin, type KafkaConfig, type logCreator } from 'kafkajs';
import type Cluster from 'kafkajs/src/cluster';
import createRetry from 'kafkajs/src/retry';
import { TallymanError } from '../lib/errors';
import type { KafkaOptions } from '../lib/config';
import type { Logger } from '../lib/logger';
import { openCluster } from './cluster';
import { openedInTime } from './open-in-time';
import { watchSilence } from './watch-silence';
import { createSockets } from './sockets';
import { registerCodecs } from './wire/codecs';
import { installWorkarounds } from './patches/install';
import { readEpochEnds, type EpochEnd, type EpochQuestion } from './topics/leader-epochs';
import { listOffsets, type LogPoint } from './topics/list-offsets';
import { createLogReader, type LogReader } from './log-reader';
import { readTopicState, type TopicState } from './topics/topic-id';
import { readTopics, type PartitionMetadata } from './topics/topic-metadata';

/** What other rooms need of kafkajs. Nothing outside of this room imports kafkajs itself. */
export { KafkaJSError, KafkaJSNonRetriableError } from 'kafkajs';
export type { Batch, Consumer, ConsumerCrashEvent, EachBatchPayload } from 'kafkajs';

/** Access to one Kafka cluster. Connections are opened when they are first used. */
export interface KafkaClient {
  /** Where it connects first, in the form that Kafka's own tools take. */
  readonly bootstrapServer: string;
  /** kafkajs itself, for this room only. */
  readonly kafkajs: Kafka;
  /** One admin connection, which is shared and kept until `close`. */
  admin(): Promise<Admin>;
  /** Reads partitions without a group. It is shared and kept until `close`. */
  reader(): Promise<LogReader>;
  /** topic -> partition -> the offset of a point in its log. */
  listOffsets(topics: readonly string[], point: LogPoint): Promise<Map<string, number[]>>;
  /** topic -> its partitions. A topic that does not exist is left out. */
  topics(names: readonly string[]): Promise<Map<string, readonly PartitionMetadata[]>>;
  /**
   * The id that Kafka gave a topic; undefined if the topic does not exist, or the cluster has no
   * topic ids.
   */
  topicId(topic: string): Promise<string | undefined>;
  /**
   * How far the logs of a topic hold the records of leader epochs, in the order of the questions.
   */
  epochEnds(topic: string, questions: readonly EpochQuestion[]): Promise<EpochEnd[]>;
  /** Sends a request that kafkajs does not have. It is sent again if the leader has moved. */
  ask<T>(request: (cluster: Cluster) => Promise<T>): Promise<T>;
  /** The id of a topic and its number of partitions, by one answer. */
  topicState(topic: string): Promise<TopicState>;
  /** Ends every connection at once. Current and later requests fail. It may be called again. */
  close(): Promise<void>;
}

/** An address that does not answer within this time counts as unreachable. */
const CONNECTION_TIMEOUT_MS = 3_000;
const REQUEST_TIMEOUT_MS = 30_000;
/**
 * About six seconds in all. Every field is set because kafkajs has other defaults under
 * NODE_ENV=test.
 */
const RETRY = { initialRetryTime: 200, multiplier: 2, factor: 0.2, maxRetryTime: 5_000, retries: 5 };

/**
 * Opens a client. kafkajs's own log lines are logged at debug level: it logs errors that it then
 * recovers from, and errors that matter are thrown as well.
 *
 * @param onSilence for a command that shall not wait for a Kafka that does not answer: see
 *   `watchSilence`
 */
export function openKafka(
  options: KafkaOptions,
  logger?: Logger,
  onSilence?: (error: TallymanError) => void,
): KafkaClient {
  installWorkarounds();
  registerCodecs();
  const sockets = createSockets();
  const kafkajs = new Kafka({ socketFactory: sockets.factory, ...kafkajsConfig(options, logger) });
  const bootstrapServer = options.brokers.join(',');
  const silence = onSilence && watchSilence(sockets, bootstrapServer, onSilence);
  const shared = <T extends { disconnect(): Promise<void> }>(open: () => Promise<T>) =>
    sharedConnection(
      () => openedInTime(bootstrapServer, open(), (opened) => opened.disconnect()),
      (opened) => opened.disconnect(),
    );
  const admin = shared(() => connectAdmin(kafkajs));
  const cluster = shared(() => openCluster(kafkajs));
  const retried = async <T>(ask: (opened: Cluster) => Promise<T>): Promise<T> => {
    const opened = await cluster.get();
    return createRetry(RETRY)(async (bail) => {
      try {
        return await ask(opened);
      } catch (error) {
        if (error instanceof TallymanError) return bail(error) as T;
        await opened.refreshMetadata().catch(() => undefined);
        throw error;
      }
    });
  };
  const topics = (names: readonly string[]): Promise<Map<string, readonly PartitionMetadata[]>> =>
    retried((opened) => readTopics(opened, names));
  const topicState = async (topic: string): Promise<TopicState> => {
    const state = await retried((opened) => readTopicState(opened, topic));
    return state ?? { id: undefined, partitions: (await topics([topic])).get(topic)?.length ?? 0 };
  };
  return {
    bootstrapServer,
    kafkajs,
    admin: admin.get,
    reader: async () => createLogReader(await cluster.get(), RETRY),
    listOffsets: async (topics, point) => {
      const opened = await cluster.get();
      return createRetry(RETRY)(async (bail) => {
        try {
          return await listOffsets(opened, topics, point);
        } catch (error) {
          await opened.refreshMetadata().catch(() => undefined);
          // A broker may not have heard of a new topic or leader yet. The caller waits for any
          // other failure to pass.
          const { type = '' } = error as { type?: string };
          if (['UNKNOWN_TOPIC_OR_PARTITION', 'LEADER_NOT_AVAILABLE'].includes(type)) throw error;
          return bail(error) as undefined;
        }
      });
    },
    epochEnds: (topic, questions) => retried((opened) => readEpochEnds(opened, topic, questions)),
    ask: retried,
    topics,
    topicId: async (topic) => (await topicState(topic)).id,
    topicState,
    async close() {
      silence?.stop();
      sockets.close();
      await Promise.all([admin.close(), cluster.close()]);
    },
  };
}

function kafkajsConfig(
  { brokers, clientId, ssl, sasl }: KafkaOptions,
  logger: Logger | undefined,
): KafkaConfig {
  return {
    ...{ brokers: [...brokers], clientId },
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
    retry: RETRY,
    logLevel: logLevel.INFO,
    logCreator: forwardTo(logger),
    ...(ssl && { ssl: { ...ssl } }),
    ...(sasl && { sasl: { ...sasl } as NonNullable<KafkaConfig['sasl']> }),
  };
}

async function connectAdmin(kafkajs: Kafka): Promise<Admin> {
  const admin = kafkajs.admin();
  await admin.connect();
  return admin;
}

/** Opens a connection at its first use, and tries again at the next use after a failure. */
function sharedConnection<T>(
  open: () => Promise<T>,
  close: (opened: T) => Promise<void>,
): { get: () => Promise<T>; close: () => Promise<void> } {
  let opened: Promise<T> | undefined;
  return {
    get: () =>
      (opened ??= open().catch((error: unknown) => {
        opened = undefined;
        throw error;
      })),
    async close() {
      const closing = opened;
      opened = undefined;
      const connection = await closing?.catch(() => undefined);
      if (connection !== undefined) await close(connection);
    },
  };
}

function forwardTo(logger: Logger | undefined): logCreator {
  return () => (entry) => {
    if (!logger) return;
    const { message, ...fields } = entry.log;
    const line = {
      kafkajs: entry.namespace,
      ...fields,
      timestamp: undefined,
      logger: undefined,
      stack: undefined,
    };
    logger.debug(line, message);
  };
}
