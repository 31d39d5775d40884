import type { Kafka } from 'kafkajs';
import type Cluster from 'kafkajs/src/cluster';
import { TallymanError } from '../errors';

export const READ_COMMITTED = 1;

/** kafkajs's own view of a cluster, on connections of its own: for the requests that its public face does not offer. */
export async function openCluster(kafkajs: Kafka): Promise<Cluster> {
  const cluster = createCluster(kafkajs);
  await cluster.connect();
  return cluster;
}

function createCluster(kafkajs: Kafka): Cluster {
  const symbol = Object.getOwnPropertySymbols(kafkajs).find(
    ({ description }) => description === 'private:Kafka:createCluster',
  );
  const create = symbol && (kafkajs as unknown as Record<symbol, (options: object) => Cluster>)[symbol];
  if (!create)
    throw new TallymanError('KAFKAJS_CHANGED', 'kafkajs is not the version that this program knows');
  return create({ allowAutoTopicCreation: false, metadataMaxAge: 300_000, isolationLevel: READ_COMMITTED });
}
