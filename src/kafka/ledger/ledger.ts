import { CompressionTypes, Partitioners, type Producer } from 'kafkajs';
import type { KafkaClient } from '../client';
import { requestsOf, type PublishRecord, type Publisher } from '../producer';
import { readRange } from '../read-range';
import { logRanges } from '../topics/topics';

/** Invoices shrink to a tenth in the log, so this is some megabytes of them. */
const FETCH_BYTES = 512 * 1_024;

export interface LedgerRecord {
  readonly key: string;
  /** null withdraws the key. */
  readonly value: string | null;
}

/**
 * Reads a ledger topic from its start to its end at the time of the call, a fetch at a time. Records come in the order of
 * each partition, so the last one of a key is the one that holds.
 *
 * The end is the high watermark. Kafka acknowledges a commit before it writes the marker that makes the records readable:
 * a reader that stopped at the stable offset would miss a change whose writer was already told that it succeeded.
 *
 * @throws TallymanError `LOG_STALLED` if a transaction stays open longer than any writer of a ledger may hold one
 */
export async function* readLedgerPages(
  client: KafkaClient,
  topic: string,
): AsyncGenerator<LedgerRecord[], void, undefined> {
  const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
  for (const [partition, { start, end }] of ranges.entries()) {
    const range = { topic, partition, from: start, to: end, fetchBytes: FETCH_BYTES };
    for await (const records of readRange(client, range)) {
      yield records.map(({ key, value }) => ({
        key: key?.toString() ?? '',
        value: value?.toString() ?? null,
      }));
    }
  }
}

/** As `readLedgerPages`, record by record. */
export async function readLedger(
  client: KafkaClient,
  topic: string,
  onRecord: (key: string, value: string | null) => void,
): Promise<void> {
  for await (const records of readLedgerPages(client, topic)) {
    for (const { key, value } of records) onRecord(key, value);
  }
}

/** Publishes records to a ledger topic; resolves when every in-sync copy has them. */
export function appendLedger(
  publisher: Publisher,
  topic: string,
  records: readonly PublishRecord[],
): Promise<void> {
  return publisher.publish(topic, records);
}

/** The only writer of a ledger topic, until the next one is opened. */
export interface LedgerWriter {
  /**
   * Writes the records, all or none.
   *
   * A failure leaves open whether they were written, also where another writer has taken over. Whoever opens the next
   * writer and reads the ledger to its end knows.
   */
  append(records: readonly PublishRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** A writer that is killed leaves its transaction open; readers of the topic wait until the broker ends it. */
const TRANSACTION_TIMEOUT_MS = 10_000;

/**
 * Opens a topic as its only writer. Kafka fences by the transactional id: whoever held it before can write no more, and
 * a transaction it left open is aborted. What is read of the topic after this stays complete until the own `append`.
 */
export async function openLedgerWriter(client: KafkaClient, topic: string): Promise<LedgerWriter> {
  const producer = client.kafkajs.producer({
    transactionalId: `tallyman ${topic}`,
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout: TRANSACTION_TIMEOUT_MS,
    allowAutoTopicCreation: false,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
  try {
    await fenceOthers(producer);
  } catch (error) {
    await producer.disconnect();
    throw error;
  }
  return {
    async append(records) {
      if (records.length === 0) return;
      const transaction = await producer.transaction();
      try {
        for (const messages of requestsOf(records))
          await transaction.send({ topic, acks: -1, compression: CompressionTypes.LZ4, messages });
        await transaction.commit();
      } catch (error) {
        await transaction.abort().catch(() => undefined); // The first error tells more.
        throw error;
      }
    },
    close: () => producer.disconnect(),
  };
}

/** kafkajs makes itself known to the broker with its first transaction, and not before. */
async function fenceOthers(producer: Producer): Promise<void> {
  const empty = await producer.transaction();
  await empty.abort();
}
