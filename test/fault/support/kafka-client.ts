import { openKafka, type KafkaClient } from '../../../src/kafka/client';
import type { World } from './fault-world';

/** Lets a test speak to the Kafka itself, past the proxy. */
export async function withKafka<T>({ direct }: World, use: (client: KafkaClient) => Promise<T>): Promise<T> {
  const client = openKafka({ brokers: direct.KAFKA_BROKERS.split(','), clientId: 'test' });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}
