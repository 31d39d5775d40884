import type { Context } from '../../installation/context';
import {
  abortCommand,
  describeOpenTransaction,
  openTransactions,
} from '../../kafka/topics/open-transactions';
import { usageTopics } from '../../kafka/topics/topics';
import type { Finding } from '../../lib/finding';

/** Kafka aborts older transactions, unless `transaction.max.timeout.ms` allows more. */
const TRANSACTION_MAX_MS = 900_000;

/** Nobody can read the events behind an open transaction, and a close does not continue past it. */
export async function checkTransactions({ config: { prefix }, kafka }: Context): Promise<Finding[]> {
  const open = await openTransactions(kafka(), usageTopics(prefix));
  return open.map((transaction) => ({
    level: Date.now() - (transaction.sinceMs ?? Date.now()) > TRANSACTION_MAX_MS ? 'error' : 'warning',
    subject: `${transaction.topic}/${transaction.partition}`,
    problem: describeOpenTransaction(transaction),
    remedy: `let its producer commit or abort it; if the producer is gone: ${abortCommand(transaction)}`,
  }));
}
