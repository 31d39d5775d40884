import { KafkaJSProtocolError, type Kafka } from 'kafkajs';
import type Cluster from 'kafkajs/src/cluster';
import metadataRequest from 'kafkajs/src/protocol/requests/metadata';
import { TallymanError } from '../lib/errors';

export const READ_UNCOMMITTED = 0;
export const READ_COMMITTED = 1;
const LEADER_NOT_AVAILABLE = 5;
/** In place of the node that leads a partition. */
const NO_LEADER = '-1';
/** The first version in which a request can keep the broker from creating the topics. */
const METADATA_VERSION = 4;
/** A partition that was added is noticed within this time. */
const METADATA_MAX_AGE_MS = 30_000;

/**
 * kafkajs's internal view of a cluster, on connections of its own, for requests that its public API
 * does not offer.
 */
export async function openCluster(kafkajs: Kafka): Promise<Cluster> {
  const cluster = createCluster(kafkajs);
  const { brokerPool } = cluster;
  const create = brokerPool.createBroker;
  brokerPool.createBroker = (options) => describingAll(create(options));
  await cluster.connect();
  return cluster;
}

/**
 * kafkajs learns nothing about any topic as long as a single one that was read has no leader, and
 * tries for six seconds at each request.
 */
function describingAll(broker: Cluster.Broker): Cluster.Broker {
  broker.metadata = async (topics) => {
    const { request, response } = metadataRequest.protocol({ version: METADATA_VERSION })({
      topics,
      allowAutoTopicCreation: false,
    });
    try {
      return await broker.connectionPool.send({
        request,
        response: {
          decode: (payload) => response.decode(payload),
          parse: (decoded) => response.parse(withoutElections(decoded)),
        },
      });
    } catch (error) {
      if ((error as Error).name === 'KafkaJSConnectionClosedError') await broker.disconnect();
      throw error;
    }
  };
  return broker;
}

const withoutElections = (decoded: metadataRequest.DecodedMetadata): metadataRequest.DecodedMetadata => ({
  ...decoded,
  topicMetadata: decoded.topicMetadata.map((topic) => ({
    ...topic,
    partitionMetadata: topic.partitionMetadata.map((partition) =>
      partition.partitionErrorCode === LEADER_NOT_AVAILABLE
        ? { ...partition, partitionErrorCode: 0 }
        : partition,
    ),
  })),
});

/**
 * The partitions of a topic by the node that leads them.
 *
 * @throws KafkaJSProtocolError `LEADER_NOT_AVAILABLE`
 */
export function leadersOf(
  cluster: Cluster,
  topic: string,
  partitions: readonly number[],
): [nodeId: string, partitions: number[]][] {
  const leaders = cluster.findLeaderForPartitions(topic, [...partitions]);
  const led = leaders[NO_LEADER];
  if (led === undefined) return Object.entries(leaders);
  const error = new Error(`${topic}/${led[0]} has no leader`);
  throw new KafkaJSProtocolError(
    Object.assign(error, { type: 'LEADER_NOT_AVAILABLE', code: LEADER_NOT_AVAILABLE, retriable: true }),
  );
}

/** A connected broker, or one that can be connected, by the configured addresses if need be. */
export function anyBroker(cluster: Cluster): Promise<Cluster.Broker> {
  return cluster.brokerPool.findConnectedBroker();
}

function createCluster(kafkajs: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafkajs).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create = symbol && (kafkajs as unknown as Record<symbol, (options: object) => Cluster>)[symbol];
  if (!create)
    throw new TallymanError('KAFKAJS_CHANGED', 'kafkajs is not the version that this program supports');
  return create({
    allowAutoTopicCreation: false,
    metadataMaxAge: METADATA_MAX_AGE_MS,
    isolationLevel: READ_COMMITTED,
  });
}
