import type { KafkaClient } from '../client';
import { logEnds, stableEnds } from './topics';

/**
 * A transaction that is neither committed nor aborted. Consumers read nothing from its first record
 * on.
 */
export interface OpenTransaction {
  readonly topic: string;
  readonly partition: number;
  /** Its first record. */
  readonly offset: number;
  /** The end of the log: what lies between is held back. */
  readonly end: number;
  /**
   * The timestamp of its first record, which a producer may have set; undefined if that cannot be
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
  // The stable offsets first: a transaction that ends in between would seem to be open.
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
    return undefined; // It only says since when.
  }
}

/** One line for people: what is open, where, and what it holds back. */
export function describeOpenTransaction({ topic, partition, offset, end, sinceMs }: OpenTransaction): string {
  const since = sinceMs === undefined ? '' : ` since ${new Date(sinceMs).toISOString()}`;
  return (
    `a transaction has been open${since} at offset ${offset} of ${topic}/${partition}: ` +
    `${end - offset} offsets behind it cannot be read`
  );
}

/** What ends it when its producer does not. */
export function abortCommand({ topic, partition, offset }: OpenTransaction): string {
  return (
    'kafka-transactions.sh --bootstrap-server <broker> abort ' +
    `--topic ${topic} --partition ${partition} --start-offset ${offset}`
  );
}
