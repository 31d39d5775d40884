import type Cluster from 'kafkajs/src/cluster';
import { leadersOf, READ_COMMITTED, READ_UNCOMMITTED } from '../cluster';

/**
 * A place in a partition's log:
 * - `start`: the first offset that still exists
 * - `end`: the offset that the next record will get, the high watermark
 * - `stable`: the first offset of an open transaction, up to which consumers read. Equals `end` if
 *   none is open.
 */
export type LogPoint = 'start' | 'end' | 'stable';

const EARLIEST = -2;
const LATEST = -1;
const REQUESTS = {
  start: { timestamp: EARLIEST, isolationLevel: READ_UNCOMMITTED },
  end: { timestamp: LATEST, isolationLevel: READ_UNCOMMITTED },
  stable: { timestamp: LATEST, isolationLevel: READ_COMMITTED },
} as const;

/**
 * Requests one point of all partitions of the topics, with one request per broker. kafkajs's admin
 * only requests the stable offset, and calls it the end. It does not see what was committed behind
 * an open transaction.
 *
 * @returns topic -> partition -> offset
 */
export async function listOffsets(
  cluster: Cluster,
  topics: readonly string[],
  point: LogPoint,
): Promise<Map<string, number[]>> {
  const { timestamp, isolationLevel } = REQUESTS[point];
  await cluster.addMultipleTargetTopics([...topics]);
  await cluster.refreshMetadataIfNecessary();
  const byBroker = new Map<
    string,
    { topic: string; partitions: { partition: number; timestamp: number }[] }[]
  >();
  for (const topic of topics) {
    const all = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => partitionId);
    for (const [nodeId, led] of leadersOf(cluster, topic, all)) {
      const asked = byBroker.get(nodeId) ?? [];
      asked.push({ topic, partitions: led.map((partition) => ({ partition, timestamp })) });
      byBroker.set(nodeId, asked);
    }
  }
  const offsets = new Map(topics.map((topic): [string, number[]] => [topic, []]));
  const requests = [...byBroker].map(async ([nodeId, asked]) => {
    const broker = await cluster.findBroker({ nodeId });
    const { responses } = await broker.listOffsets({ isolationLevel, topics: asked });
    for (const { topic, partitions } of responses)
      for (const { partition, offset } of partitions) offsets.get(topic)![partition] = Number(offset);
  });
  await Promise.all(requests);
  return offsets;
}
