import type { KafkaClient } from '../client';
import { topicName } from '../topics/topics';
import { openLedgerWriter, readLedger, type LedgerDocuments, type LedgerName } from './ledger';

/**
 * A topic to which each key is written at most once, across crashes and with two writers at once.
 */
export interface AppendOnceTopic {
  has(key: string): boolean;
  /**
   * Writes the records whose keys are new, all or none.
   *
   * If this fails, they may or may not have been written. The caller ends, and the next writer
   * reads what is there.
   */
  append(records: readonly { readonly key: string; readonly value: string }[]): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the topic as its only writer, and reads it only then, so that what was read stays complete.
 *
 * @param keeps which keys will be needed; the others are not held in memory
 * @param options a dry run writes nothing, and leaves another writer in place
 */
export async function openAppendOnceTopic<L extends LedgerName>(
  client: KafkaClient,
  prefix: string,
  ledger: L,
  keeps: (document: LedgerDocuments[L]) => boolean,
  { dryRun }: { readonly dryRun?: boolean | undefined } = {},
): Promise<AppendOnceTopic> {
  const writer = dryRun ? undefined : await openLedgerWriter(client, topicName(prefix, ledger));
  const written = new Set<string>();
  await readLedger(client, prefix, ledger, ({ key, document }) => {
    if (document !== null && keeps(document)) written.add(key);
  });
  return {
    has: (key) => written.has(key),
    async append(records) {
      const fresh = records.filter(({ key }) => !written.has(key));
      if (fresh.length === 0) return;
      await writer?.append(fresh);
      for (const { key } of fresh) written.add(key);
    },
    close: () => writer?.close() ?? Promise.resolve(),
  };
}
