import type { Context } from '../../installation/context';
import {
  abortCommand,
  describeOpenTransaction,
  openTransactions,
} from '../../kafka/topics/open-transactions';
import { usageTopics } from '../../kafka/topics/topics';
import type { Finding } from '../../lib/finding';

/** Kafka aborts older ones, unless its producers may ask for more (`transaction.max.timeout.ms`). */
const TRANSACTION_MAX_MS = 900_000;

/** What is committed behind an open transaction cannot be read by anybody, and no close goes past it. */
export async function checkTransactions({ config: { prefix }, kafka }: Context): Promise<Finding[]> {
  const open = await openTransactions(kafka(), usageTopics(prefix));
  return open.map((transaction) => ({
    level: Date.now() - (transaction.sinceMs ?? Date.now()) > TRANSACTION_MAX_MS ? 'error' : 'warning',
    subject: `${transaction.topic}/${transaction.partition}`,
    problem: describeOpenTransaction(transaction),
    remedy: `let its producer commit or abort it; if that is gone: ${abortCommand(transaction)}`,
  }));
}
