import { takeByTopic, type WorkloadRecord } from '../../../src/oracle/workload';
import { openKafka } from '../../../src/kafka/client';
import { createPublisher } from '../../../src/kafka/producer';
import { testBrokers } from '../services';

/** Publishes the next records of a workload to an installation's topics, each topic in order. */
export async function publishNext(
  { prefix, env }: { readonly prefix: string; readonly env?: NodeJS.ProcessEnv },
  workload: Iterator<WorkloadRecord>,
  count: number,
  onRecord?: (record: WorkloadRecord) => void,
): Promise<void> {
  const brokers = env?.['KAFKA_BROKERS']?.split(',') ?? testBrokers();
  const client = openKafka({ brokers, clientId: 'test' });
  const publisher = await createPublisher(client);
  try {
    for (const [topic, records] of takeByTopic(workload, count, onRecord)) {
      await publisher.publish(`${prefix}.${topic}`, records);
    }
  } finally {
    await publisher.close();
    await client.close();
  }
}
