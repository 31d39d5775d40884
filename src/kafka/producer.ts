import type { Message } from 'kafkajs';
import type { KafkaClient } from './client';
import { openedInTime } from './open-in-time';
import { onePartitionEach, sendAll } from './confirmed-send';

export interface PublishRecord {
  readonly key: string | Buffer | null;
  readonly value: string | Buffer | null;
  /** A header that is given more than once has a list of values. */
  readonly headers?: Readonly<Record<string, string | Buffer | (string | Buffer)[]>>;
  /** Milliseconds since the epoch; now by default. */
  readonly timestampMs?: number;
  /** By the key if it is missing, as Kafka's own clients do. */
  readonly partition?: number;
}

export interface Publisher {
  /** Resolves when every in-sync replica of the partitions has the records. */
  publish(topic: string, records: readonly PublishRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** The approximate size of a request, well under the limits of topics and brokers. */
const REQUEST_BYTES = 512 * 1_024;

/**
 * A publisher with acks=all. Its retries may write a record twice: usage is deduplicated by its id,
 * and ledger records by their key.
 */
export async function createPublisher(client: KafkaClient): Promise<Publisher> {
  const producer = client.kafkajs.producer({
    allowAutoTopicCreation: false,
    createPartitioner: onePartitionEach,
  });
  await openedInTime(client.bootstrapServer, producer.connect(), () => producer.disconnect());
  return {
    async publish(topic, records) {
      for (const messages of requestsOf(records)) await sendAll(producer, topic, messages);
    },
    close: () => producer.disconnect(),
  };
}

/**
 * A publisher that connects when it first publishes, so that a server can start and serve its pages
 * while Kafka is away.
 */
export function publisherAtNeed(client: KafkaClient): Publisher {
  let opened: Promise<Publisher> | undefined;
  return {
    async publish(topic, records) {
      opened ??= createPublisher(client);
      const publisher = await opened.catch((error: unknown) => {
        opened = undefined;
        throw error;
      });
      await publisher.publish(topic, records);
    },
    close: async () => (await opened?.catch(() => undefined))?.close(),
  };
}

export function* requestsOf(records: readonly PublishRecord[]): Generator<Message[]> {
  let messages: Message[] = [];
  let bytes = 0;
  for (const { key, value, headers, timestampMs, partition } of records) {
    const size = (key?.length ?? 0) + (value?.length ?? 0);
    if (messages.length > 0 && bytes + size > REQUEST_BYTES) {
      yield messages;
      messages = [];
      bytes = 0;
    }
    messages.push({
      key,
      value,
      ...(headers && { headers }),
      ...(timestampMs !== undefined && { timestamp: String(timestampMs) }),
      ...(partition !== undefined && { partition }),
    });
    bytes += size;
  }
  if (messages.length > 0) yield messages;
}
