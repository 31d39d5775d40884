import type { KafkaClient } from './kafka';
import type { PublishRecord, Publisher } from './producer';
import { readRange } from './read-range';
import { logRanges } from './topics';

/**
 * Reads a ledger topic from its start to its end at the time of the call. Records come in the order of each partition,
 * so the last one of a key is the one that holds; a null value withdraws the key.
 */
export async function readLedger(
  client: KafkaClient,
  topic: string,
  onRecord: (key: string, value: string | null) => void,
): Promise<void> {
  const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
  for (const [partition, { start, end }] of ranges.entries()) {
    for await (const records of readRange(client, { topic, partition, from: start, to: end })) {
      for (const { key, value } of records) onRecord(key?.toString() ?? '', value?.toString() ?? null);
    }
  }
}

/** Publishes records to a ledger topic; resolves when every in-sync copy has them. */
export function appendLedger(
  publisher: Publisher,
  topic: string,
  records: readonly PublishRecord[],
): Promise<void> {
  return publisher.publish(topic, records);
}
