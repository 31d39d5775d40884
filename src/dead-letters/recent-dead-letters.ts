import { parseRecord } from '../lib/document';
import type { DeadLetter } from './dead-letter';
import type { KafkaClient } from '../kafka/client';
import { readRange } from '../kafka/read-range';
import { DEAD_LETTER_TOPIC, logRanges, topicName } from '../kafka/topics/topics';

/** The end of the dead letters' log. */
export interface RecentDeadLetters {
  /** The newest first, each place once. */
  readonly letters: readonly DeadLetter[];
  /** Whether there are older ones that were not read. */
  readonly isCut: boolean;
}

/** Reads the newest dead letters: `perPartition` records of each partition, however long the log is. */
export async function readRecentDeadLetters(
  client: KafkaClient,
  prefix: string,
  perPartition: number,
): Promise<RecentDeadLetters> {
  const topic = topicName(prefix, DEAD_LETTER_TOPIC);
  const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
  const byKey = new Map<string, DeadLetter>();
  for (const [partition, { start, end }] of ranges.entries()) {
    const from = Math.max(start, end - perPartition);
    for await (const records of readRange(client, { topic, partition, from, to: end })) {
      for (const { key, value, offset } of records) {
        if (value === null) continue;
        byKey.set(
          key?.toString() ?? '',
          parseRecord('dead-letter.v1.json', value.toString(), { topic, partition, offset }),
        );
      }
    }
  }
  return {
    letters: [...byKey.values()].sort((a, b) => b.timestamp - a.timestamp),
    isCut: ranges.some(({ start, end }) => end - start > perPartition),
  };
}
