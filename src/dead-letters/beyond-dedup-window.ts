import type { DeadLetterEntry } from './read-dead-letters';
import type { KafkaClient } from '../kafka/client';
import { readCloseRecords } from '../installation/ledgers/restore-closes';

/** How many letters are from before the period whose ids are still remembered: a mended copy that was counted then is not recognised. */
export async function countBeyondIds(
  kafka: KafkaClient,
  prefix: string,
  entries: readonly DeadLetterEntry[],
): Promise<number> {
  const before = [...(await readCloseRecords(kafka, prefix)).values()].at(-2);
  if (before === undefined) return 0;
  return entries.filter(({ timestamp }) => timestamp < Date.parse(before.closedAt)).length;
}
