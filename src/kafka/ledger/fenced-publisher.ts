import type { Transaction } from 'kafkajs';
import type { TallymanError } from '../../lib/errors';
import type { KafkaClient } from '../client';
import { requestsOf, type Publisher } from '../producer';
import { onePartitionEach, sendAll } from '../confirmed-send';
import { Mutex } from '../../lib/process/mutex';

/**
 * The errors of a producer whose transactional id was taken over. kafkajs has no name for code 90.
 */
const FENCED = /INVALID_PRODUCER_EPOCH|PRODUCER_FENCED|INVALID_PRODUCER_ID_MAPPING|error code 90\b/;

/**
 * Commits wait a few milliseconds each for their markers, and the next transaction is refused until
 * then. The usual first pause of 200 ms would take up most of a close.
 */
const RETRY = { initialRetryTime: 10, multiplier: 2, factor: 0.2, maxRetryTime: 2_000, retries: 12 };

/**
 * A transaction takes milliseconds. If a killed process left one open, readers wait until the
 * broker ends it, or until the next publisher is opened.
 */
const TRANSACTION_TIMEOUT_MS = 10_000;

/**
 * Opens a publisher of which only one at a time works, anywhere: Kafka fences by the transactional
 * id. The previous holder can publish nothing more, and its open transaction is aborted. So after
 * this, only this publisher adds to the ledger.
 *
 * Each `publish` is one transaction: readers see all of its records or none.
 *
 * @param onFenced makes the error of a publisher that was taken over
 */
export async function openFencedPublisher(
  client: KafkaClient,
  transactionalId: string,
  onFenced: () => TallymanError,
): Promise<Publisher> {
  const producer = client.kafkajs.producer({
    transactionalId,
    transactionTimeout: TRANSACTION_TIMEOUT_MS,
    idempotent: true,
    maxInFlightRequests: 1,
    allowAutoTopicCreation: false,
    createPartitioner: onePartitionEach,
    retry: RETRY,
  });
  const turns = new Mutex();
  const inTransaction = async (work: (transaction: Transaction) => Promise<void>): Promise<void> => {
    const endTurn = await turns.take();
    try {
      const transaction = await producer.transaction();
      try {
        await work(transaction);
        await transaction.commit();
      } catch (error) {
        await transaction.abort().catch(() => undefined); // The first error is the cause.
        throw error;
      }
    } catch (error) {
      throw isFenced(error) ? onFenced() : error;
    } finally {
      endTurn();
    }
  };
  await producer.connect();
  // The first transaction registers the producer with the brokers. An empty one is enough.
  await inTransaction(() => Promise.resolve());
  return {
    publish: (topic, records) =>
      inTransaction(async (transaction) => {
        for (const messages of requestsOf(records)) await sendAll(transaction, topic, messages);
      }),
    close: () => producer.disconnect(),
  };
}

function isFenced(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const { type = '' } = error as { type?: string };
  return FENCED.test(type) || FENCED.test(error.message) || isFenced(error.cause);
}
