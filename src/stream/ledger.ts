import type { KafkaClient } from './kafka';
import type { PublishRecord, Publisher } from './producer';
import { readRange } from './read-range';
import { committedRanges } from './topics';

/** Invoices shrink to a tenth in the log, so this is some megabytes of them. */
const FETCH_BYTES = 512 * 1_024;

export interface LedgerRecord {
  readonly key: string;
  /** null withdraws the key. */
  readonly value: string | null;
}

/**
 * Reads a ledger topic from its start to its end at the time of the call, a fetch at a time. Records come in the order of
 * each partition, so the last one of a key is the one that holds.
 */
export async function* readLedgerPages(
  client: KafkaClient,
  topic: string,
): AsyncGenerator<LedgerRecord[], void, undefined> {
  const ranges = (await committedRanges(client, [topic])).get(topic) ?? [];
  for (const [partition, { start, end }] of ranges.entries()) {
    const range = { topic, partition, from: start, to: end, fetchBytes: FETCH_BYTES };
    for await (const records of readRange(client, range)) {
      yield records.map(({ key, value }) => ({
        key: key?.toString() ?? '',
        value: value?.toString() ?? null,
      }));
    }
  }
}

/** As `readLedgerPages`, record by record. */
export async function readLedger(
  client: KafkaClient,
  topic: string,
  onRecord: (key: string, value: string | null) => void,
): Promise<void> {
  for await (const records of readLedgerPages(client, topic)) {
    for (const { key, value } of records) onRecord(key, value);
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
