import { CompressionTypes, Partitioners, type Producer } from 'kafkajs';
import type { KafkaClient } from './kafka';
import { readLedger } from './ledger';

/** A topic to which each key is written once, ever: also over crashes, and with two writers at once. */
export interface OnceLog {
  has(key: string): boolean;
  /**
   * Writes the records whose keys are new, all or none.
   *
   * A failure leaves open whether they were written: the caller ends, and whoever comes next reads what is there.
   */
  append(records: readonly { readonly key: string; readonly value: string }[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the topic as its only writer. Kafka fences by the transactional id: whoever held it before can write no more,
 * and a transaction it left open is aborted. Only then the topic is read, so what is known of it stays complete.
 *
 * @param keeps which keys will be asked for; the others need not be held in memory
 */
export async function openOnceLog(
  client: KafkaClient,
  topic: string,
  keeps: (value: string) => boolean,
): Promise<OnceLog> {
  const producer = client.kafkajs.producer({
    transactionalId: `tallyman ${topic}`,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  await fenceOthers(producer);
  const written = new Set<string>();
  await readLedger(client, topic, (key, value) => {
    if (value !== null && keeps(value)) written.add(key);
  });
  return {
    has: (key) => written.has(key),
    async append(records) {
      const fresh = records.filter(({ key }) => !written.has(key));
      if (fresh.length === 0) return;
      const transaction = await producer.transaction();
      try {
        await transaction.send({ topic, acks: -1, compression: CompressionTypes.LZ4, messages: [...fresh] });
        await transaction.commit();
      } catch (error) {
        await transaction.abort().catch(() => undefined); // The first error tells more.
        throw error;
      }
      for (const { key } of fresh) written.add(key);
    },
    close: () => producer.disconnect(),
  };
}

/** kafkajs makes itself known to the broker with its first transaction, and not before. */
async function fenceOthers(producer: Producer): Promise<void> {
  const empty = await producer.transaction();
  await empty.abort();
}
