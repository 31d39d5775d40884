import { parseRecord } from '../lib/document';
import type { DeadLetter } from './dead-letter';
import type { KafkaClient } from '../kafka/client';
import { readLedgerRange } from '../kafka/ledger/ledger';
import { readRecords } from '../kafka/read-range';
import { DEAD_LETTER_TOPIC, logRanges, topicName, type LogRange } from '../kafka/topics/topics';

/** A dead letter without its contents, and where it lies. */
export interface DeadLetterEntry extends Omit<DeadLetter, 'value' | 'headers'> {
  /** Where the letter itself lies, in `usage.dead-letters`. */
  readonly at: { readonly partition: number; readonly offset: number };
}

/** `<topic>/<partition>/<offset>`: the place of the bad event, and the key of its letter. */
export const placeOf = ({
  topic,
  partition,
  offset,
}: Pick<DeadLetter, 'topic' | 'partition' | 'offset'>): string => `${topic}/${partition}/${offset}`;

/** A record of `usage.dead-letters`. */
interface DeadLetterRecord {
  /** The place of the bad event. */
  readonly place: string;
  readonly at: DeadLetterEntry['at'];
  /** null withdraws the dead letter. */
  readonly letter: DeadLetter | null;
}

/**
 * Reads the dead letters of each partition from an offset to the end. The same letter is there
 * again after a crash and after a rebuild, so count places.
 *
 * @throws TallymanError `LEDGER_DAMAGED` for a foreign record whose key is not written again
 */
export async function* eachDeadLetter(
  client: KafkaClient,
  prefix: string,
  firstOf: (range: LogRange, partition: number) => number,
): AsyncGenerator<DeadLetterRecord, void, undefined> {
  const topic = topicName(prefix, DEAD_LETTER_TOPIC);
  const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
  for (const [partition, logRange] of ranges.entries()) {
    const range = { topic, partition, from: firstOf(logRange, partition), to: logRange.end };
    for await (const records of readLedgerRange(client, DEAD_LETTER_TOPIC, range))
      for (const { key, document, offset } of records)
        yield { place: key, at: { partition, offset }, letter: document };
  }
}

/**
 * All dead letters, oldest event first, each place once. Their values, which may be a MiB each, are
 * left in the log.
 */
export async function listDeadLetters(client: KafkaClient, prefix: string): Promise<DeadLetterEntry[]> {
  const entries = new Map<string, DeadLetterEntry>();
  for await (const { place, at, letter } of eachDeadLetter(client, prefix, ({ start }) => start)) {
    if (letter === null) {
      entries.delete(place);
      continue;
    }
    const { value: _, headers: __, ...entry } = letter;
    // A dead letter that is published again does not contain that it was replayed.
    const replayedAt = entry.replayedAt ?? entries.get(place)?.replayedAt;
    entries.set(place, { ...entry, ...(replayedAt !== undefined && { replayedAt }), at });
  }
  return [...entries.values()].sort(inOrder);
}

/**
 * The whole letters of these entries, some at a time, in the order of the log. One that retention
 * removed is left out.
 */
export async function* readDeadLetters(
  client: KafkaClient,
  prefix: string,
  entries: readonly DeadLetterEntry[],
): AsyncGenerator<DeadLetter, void, undefined> {
  const topic = topicName(prefix, DEAD_LETTER_TOPIC);
  const byPartition = new Map<number, Map<number, DeadLetterEntry>>();
  for (const entry of entries) {
    const inPartition = byPartition.get(entry.at.partition) ?? new Map<number, DeadLetterEntry>();
    byPartition.set(entry.at.partition, inPartition.set(entry.at.offset, entry));
  }
  for (const [partition, wanted] of byPartition) {
    const offsets = [...wanted.keys()].sort((a, b) => a - b);
    for await (const { offset, value } of readRecords(client, { topic, partition }, offsets)) {
      const { replayedAt } = wanted.get(offset)!;
      const letter = parseRecord('dead-letter.v1.json', value?.toString() ?? '', {
        topic,
        partition,
        offset,
      });
      yield replayedAt === undefined ? letter : { ...letter, replayedAt };
    }
  }
}

function inOrder(a: DeadLetterEntry, b: DeadLetterEntry): number {
  if (a.timestamp !== b.timestamp) return a.timestamp - b.timestamp;
  if (a.topic !== b.topic) return a.topic < b.topic ? -1 : 1;
  return a.partition - b.partition || Number(a.offset) - Number(b.offset);
}
