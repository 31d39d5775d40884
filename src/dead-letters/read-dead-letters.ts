import { parseRecord } from '../lib/document';
import type { DeadLetter } from './dead-letter';
import type { KafkaClient } from '../kafka/client';
import { readRange, readRecords } from '../kafka/read-range';
import { DEAD_LETTER_TOPIC, logRanges, topicName } from '../kafka/topics/topics';

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

/**
 * All dead letters, oldest event first, each place once: after a crash, and after a rebuild, the same letter stands there
 * again. Their values, which may be a MiB each, are left in the log.
 */
export async function listDeadLetters(client: KafkaClient, prefix: string): Promise<DeadLetterEntry[]> {
  const topic = topicName(prefix, DEAD_LETTER_TOPIC);
  const entries = new Map<string, DeadLetterEntry>();
  for (const [partition, { start, end }] of ((await logRanges(client, [topic])).get(topic) ?? []).entries()) {
    for await (const records of readRange(client, { topic, partition, from: start, to: end })) {
      for (const { key, value, offset } of records) {
        const place = key?.toString() ?? '';
        if (value === null) {
          entries.delete(place);
          continue;
        }
        const {
          value: _,
          headers: __,
          ...entry
        } = parseRecord('dead-letter.v1.json', value.toString(), { topic, partition, offset });
        // A dead letter that is published again does not contain that it was replayed.
        const replayedAt = entry.replayedAt ?? entries.get(place)?.replayedAt;
        entries.set(place, {
          ...entry,
          ...(replayedAt !== undefined && { replayedAt }),
          at: { partition, offset },
        });
      }
    }
  }
  return [...entries.values()].sort(inOrder);
}

/** The whole letters of these entries, some at a time, in the order of the log. One that retention removed is left out. */
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
