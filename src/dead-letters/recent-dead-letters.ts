import type { DeadLetter } from './dead-letter';
import type { KafkaClient } from '../kafka/client';
import { eachDeadLetter } from './read-dead-letters';

/** The end of the dead letters' log. */
export interface RecentDeadLetters {
  /** The newest first, each place once. */
  readonly letters: readonly DeadLetter[];
  /** Whether there are older ones that were not read. */
  readonly isCut: boolean;
}

/**
 * Reads the newest dead letters: `perPartition` records of each partition, however long the log is.
 */
export async function readRecentDeadLetters(
  client: KafkaClient,
  prefix: string,
  perPartition: number,
): Promise<RecentDeadLetters> {
  let isCut = false;
  const byPlace = new Map<string, DeadLetter>();
  const newest = eachDeadLetter(client, prefix, ({ start, end }) => {
    isCut ||= end - start > perPartition;
    return Math.max(start, end - perPartition);
  });
  for await (const { place, letter } of newest) if (letter !== null) byPlace.set(place, letter);
  return { letters: [...byPlace.values()].sort((a, b) => b.timestamp - a.timestamp), isCut };
}
