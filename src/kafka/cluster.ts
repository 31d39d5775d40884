import type { Kafka } from 'kafkajs';
import type Cluster from 'kafkajs/src/cluster';
import { TallymanError } from '../lib/errors';

export const READ_UNCOMMITTED = 0;
export const READ_COMMITTED = 1;
/** A partition that was added is noticed within this time. */
const METADATA_MAX_AGE_MS = 30_000;

/**
 * kafkajs's internal view of a cluster, on connections of its own, for requests that its public API
 * does not offer.
 */
export async function openCluster(kafkajs: Kafka): Promise<Cluster> {
  const cluster = createCluster(kafkajs);
  await cluster.connect();
  return cluster;
}

/**
 * Any connected broker. kafkajs cannot refresh what it knows of the brokers as long as a topic that
 * was read has no leader, but it has connections.
 */
export async function anyBroker(cluster: Cluster): Promise<Cluster.Broker> {
  await cluster.refreshMetadataIfNecessary().catch(() => undefined);
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
