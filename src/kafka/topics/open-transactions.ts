import type { KafkaClient } from '../client';
import { logEnds, stableEnds } from './topics';

/**
 * A transaction that is neither committed nor aborted. Consumers cannot read past its first record.
 */
export interface OpenTransaction {
  readonly topic: string;
  readonly partition: number;
  /** The offset of its first record. */
  readonly offset: number;
  /** The end of the log. Everything up to it is held back. */
  readonly end: number;
  /**
   * The timestamp of its first record, which the producer may have set; undefined if it cannot be
   * read.
   */
  readonly sinceMs: number | undefined;
}

const MAX_WAIT_MS = 500;
const FETCH_BYTES = 1_048_576;

/** The earliest open transaction of each partition that has one. */
export async function openTransactions(
  client: KafkaClient,
  topics: readonly string[],
): Promise<OpenTransaction[]> {
  // Stable offsets are read first: otherwise a transaction that ends between the two requests would
  // look open.
  const stable = await stableEnds(client, topics);
  const ends = await logEnds(client, topics);
  const held = [...stable].flatMap(([topic, offsets]) =>
    offsets.map((offset, partition) => ({
      topic,
      partition,
      offset,
      end: ends.get(topic)?.[partition] ?? 0,
    })),
  );
  const suspects = held.filter(({ offset, end }) => offset < end);
  if (suspects.length === 0) return [];
  // Records that were published between the two requests look the same. A transaction is still
  // there a moment later.
  const again = await stableEnds(client, [...new Set(suspects.map(({ topic }) => topic))]);
  const open = suspects.filter(({ topic, partition, offset }) => again.get(topic)?.[partition] === offset);
  return Promise.all(open.map(async (one) => ({ ...one, sinceMs: await timestampAt(client, one) })));
}

async function timestampAt(
  client: KafkaClient,
  { topic, partition, offset }: { topic: string; partition: number; offset: number },
): Promise<number | undefined> {
  try {
    const reader = await client.reader();
    const { records } = await reader.fetch({
      ...{ topic, partition, position: offset, isUncommittedSeen: true },
      ...{ maxWaitMs: MAX_WAIT_MS, maxBytes: FETCH_BYTES },
    });
    return records.find((record) => record.offset === offset)?.timestampMs;
  } catch {
    return undefined; // Only its age is missing then.
  }
}

/** Describes for people what is open, where, and what it holds back. */
export function describeOpenTransaction({ topic, partition, offset, end, sinceMs }: OpenTransaction): string {
  const since = sinceMs === undefined ? '' : ` since ${new Date(sinceMs).toISOString()}`;
  return (
    `a transaction has been open${since} at offset ${offset} of ${topic}/${partition}: ` +
    `${end - offset} offsets behind it cannot be read`
  );
}

/** The command that ends the transaction if its producer does not. */
export function abortCommand({ topic, partition, offset }: OpenTransaction): string {
  return (
    'kafka-transactions.sh --bootstrap-server <broker> abort ' +
    `--topic ${topic} --partition ${partition} --start-offset ${offset}`
  );
}
