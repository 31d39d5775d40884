import { CompressionTypes, Partitioners, type IHeaders } from 'kafkajs';
import type { KafkaClient } from './kafka';

export interface OutgoingRecord {
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  readonly headers?: IHeaders;
  /** ms since the epoch; now by default. */
  readonly timestampMs?: number;
  /** Of its own choice; by the key's hash by default. */
  readonly partition?: number;
}

export interface Publisher {
  /** Resolves when every in-sync replica has the records. */
  publish(topic: string, records: readonly OutgoingRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** Connects a producer that waits for all in-sync replicas, and places keys as every other Kafka client does (murmur2). */
export async function createPublisher(client: KafkaClient): Promise<Publisher> {
  const producer = client.kafka.producer({
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  let closing: Promise<void> | undefined;
  return {
    async publish(topic, records) {
      if (records.length === 0) return;
      await producer.send({
        topic,
        acks: -1,
        compression: CompressionTypes.LZ4,
        messages: records.map(({ key, value, headers, timestampMs, partition }) => ({
          key,
          value,
          ...(headers && { headers }),
          ...(timestampMs !== undefined && { timestamp: String(timestampMs) }),
          ...(partition !== undefined && { partition }),
        })),
      });
    },
    close: () => (closing ??= producer.disconnect()),
  };
}
