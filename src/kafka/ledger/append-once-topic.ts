import type { KafkaClient } from '../client';
import { openLedgerWriter, readLedger } from './ledger';

/** A topic to which each key is written once, ever: also over crashes, and with two writers at once. */
export interface OnceLog {
  has(key: string): boolean;
  /**
   * Writes the records whose keys are new, all or none.
   *
   * A failure leaves open whether they were written: the caller ends, and whoever comes next reads what is there.
   */
  append(records: readonly { readonly key: string; readonly value: string }[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the topic as its only writer. Only then the topic is read, so what is known of it stays complete.
 *
 * @param keeps which keys will be asked for; the others need not be held in memory
 */
export async function openOnceLog(
  client: KafkaClient,
  topic: string,
  keeps: (value: string) => boolean,
): Promise<OnceLog> {
  const writer = await openLedgerWriter(client, topic);
  const written = new Set<string>();
  await readLedger(client, topic, (key, value) => {
    if (value !== null && keeps(value)) written.add(key);
  });
  return {
    has: (key) => written.has(key),
    async append(records) {
      const fresh = records.filter(({ key }) => !written.has(key));
      if (fresh.length === 0) return;
      await writer.append(fresh);
      for (const { key } of fresh) written.add(key);
    },
    close: () => writer.close(),
  };
}
