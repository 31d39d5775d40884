import type { KafkaClient } from '../kafka/client';
import { DEAD_LETTER_TOPIC, offsetsAt, topicName } from '../kafka/topics/topics';
import { eachDeadLetter } from './read-dead-letters';

/** Events that could not be counted: how many, and why. */
export interface DeadLetterCount {
  readonly count: number;
  readonly byReason: Readonly<Record<string, number>>;
}

/**
 * Counts the dead letters of records that were published in a span of time: what went wrong with an
 * event itself cannot be trusted to say its month. Holds one number for each.
 */
export async function countDeadLetters(
  client: KafkaClient,
  prefix: string,
  fromMs: number,
  untilMs: number,
): Promise<DeadLetterCount> {
  const topic = topicName(prefix, DEAD_LETTER_TOPIC);
  const starts = await offsetsAt(client, topic, fromMs); // A letter is never written before its record.
  const seen = new Map<string, Set<string>>(); // After a crash a letter may stand twice.
  const byReason: Record<string, number> = {};
  let count = 0;
  const letters = eachDeadLetter(client, prefix, ({ start }, partition) =>
    Math.max(start, starts[partition] ?? start),
  );
  for await (const { letter } of letters) {
    if (letter === null || letter.timestamp < fromMs || letter.timestamp >= untilMs) continue;
    const place = `${letter.topic}/${letter.partition}`;
    const offsets = seen.get(place) ?? new Set<string>();
    seen.set(place, offsets);
    if (offsets.has(letter.offset)) continue;
    offsets.add(letter.offset);
    count += 1;
    byReason[letter.reason] = (byReason[letter.reason] ?? 0) + 1;
  }
  return { count, byReason };
}
