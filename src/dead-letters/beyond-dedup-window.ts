import type { DeadLetterEntry } from './read-dead-letters';
import type { KafkaClient } from '../kafka/client';
import { readCloseRecords } from '../installation/ledgers/restore-closes';

/**
 * How many dead letters are older than the dedup window: a corrected copy that was counted then is
 * not recognised.
 */
export async function countBeyondIds(
  kafka: KafkaClient,
  prefix: string,
  entries: readonly DeadLetterEntry[],
): Promise<number> {
  const before = [...(await readCloseRecords(kafka, prefix)).values()].at(-2);
  if (before === undefined) return 0;
  return entries.filter(({ timestamp }) => timestamp < Date.parse(before.closedAt)).length;
}
