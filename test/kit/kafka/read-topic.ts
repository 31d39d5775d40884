import type { KafkaClient } from '../../../src/kafka/client';
import { readRange } from '../../../src/kafka/read-range';
import { logRanges } from '../../../src/kafka/topics/topics';

/** Reads a topic from its start to its end as it is: whatever a ledger holds, a test sees it. */
export async function readTopic(
  client: KafkaClient,
  topic: string,
  onRecord: (key: string, value: string | null) => void,
): Promise<void> {
  const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
  for (const [partition, { start, end }] of ranges.entries())
    for await (const records of readRange(client, { topic, partition, from: start, to: end }))
      for (const { key, value } of records) onRecord(key?.toString() ?? '', value?.toString() ?? null);
}
