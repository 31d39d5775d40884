import type Cluster from 'kafkajs/src/cluster';
import metadataRequest from 'kafkajs/src/protocol/requests/metadata';
import { TallymanError } from '../../lib/errors';
import { anyBroker } from '../cluster';

export interface PartitionMetadata {
  readonly partitionId: number;
  /** -1 if it has none. */
  readonly leader: number;
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
}

/** The first version in which a request can keep the broker from creating the topics. */
const METADATA_VERSION = 4;
const UNKNOWN_TOPIC = 3;
const LEADER_NOT_AVAILABLE = 5;

/**
 * Describes topics by name. kafkajs's `listTopics` describes every topic of the cluster, and fails
 * if any of them has no leader. Its `fetchTopicMetadata` fails if one topic is missing, without
 * naming it.
 *
 * @returns topic -> its partitions; a topic that does not exist is left out
 */
export async function readTopics(
  cluster: Cluster,
  topics: readonly string[],
): Promise<Map<string, readonly PartitionMetadata[]>> {
  const broker = await anyBroker(cluster);
  const { request, response } = metadataRequest.protocol({ version: METADATA_VERSION })({
    topics: [...topics],
    allowAutoTopicCreation: false,
  });
  const { topicMetadata } = await broker.connectionPool.send({
    request,
    response: { decode: (payload) => response.decode(payload), parse: (decoded) => Promise.resolve(decoded) },
  });
  const found = new Map<string, readonly PartitionMetadata[]>();
  for (const { topic, topicErrorCode, partitionMetadata } of topicMetadata) {
    if (topicErrorCode === UNKNOWN_TOPIC) continue;
    if (topicErrorCode !== 0 && topicErrorCode !== LEADER_NOT_AVAILABLE) {
      throw new TallymanError(
        'TOPIC_UNREADABLE',
        `Kafka does not describe ${topic} (error code ${topicErrorCode}): check that this user may describe it.`,
        { topic, errorCode: topicErrorCode },
      );
    }
    found.set(topic, partitionMetadata);
  }
  return found;
}
