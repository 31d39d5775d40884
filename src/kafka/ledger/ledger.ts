import type { Producer } from 'kafkajs';
import type {
  Alert,
  CloseRecord,
  CountingSettings,
  Cursors,
  DeadLetter,
  FrozenPart,
  Invoice,
  Layout,
  ProjectDocument,
  Revocation,
} from '../../../schemas/types';
import { parseRecord, recordDamaged, type SchemaName } from '../../lib/document';
import type { KafkaClient } from '../client';
import { requestsOf, type PublishRecord, type Publisher } from '../producer';
import { readRange, type LogRecord, type OnFetched, type RangeOptions } from '../read-range';
import { logRanges, topicName } from '../topics/topics';
import { onePartitionEach, sendAll } from '../confirmed-send';

/** Invoices compress to a tenth, so this is several megabytes of them. */
const FETCH_BYTES = 512 * 1_024;

export interface LedgerDocuments {
  readonly 'billing.projects': ProjectDocument;
  readonly 'billing.closes': CloseRecord;
  readonly 'billing.invoices': Invoice;
  readonly 'billing.alerts': Alert;
  /** undefined: the mark that all parts of a month are present. */
  readonly 'billing.totals': FrozenPart | undefined;
  /** undefined: a key of another version. */
  readonly 'billing.settings': CountingSettings | Cursors | Layout | Revocation | undefined;
  readonly 'usage.dead-letters': DeadLetter;
}

export type LedgerName = keyof LedgerDocuments;

export interface LedgerRecord<L extends LedgerName = LedgerName> {
  readonly key: string;
  /** As it was published; null withdraws the key. */
  readonly value: string | null;
  readonly document: LedgerDocuments[L] | null;
  readonly offset: number;
}

/** The schema of each key's documents, and the field that repeats the key. */
const SCHEMA_OF: Readonly<
  Record<LedgerName, (key: string) => { readonly schema: SchemaName; readonly keyField?: string } | undefined>
> = {
  'billing.projects': () => ({ schema: 'project.v1.json', keyField: 'project' }),
  'billing.closes': () => ({ schema: 'close.v1.json', keyField: 'month' }),
  'billing.invoices': () => ({ schema: 'invoice.v1.json', keyField: 'id' }),
  'billing.alerts': () => ({ schema: 'alert.v1.json', keyField: 'id' }),
  'billing.totals': (key) => (key.includes('/') ? { schema: 'frozen-totals.v1.json' } : undefined),
  'billing.settings': (key) => {
    if (key === 'settings') return { schema: 'settings.v1.json' };
    if (key.startsWith('revoked/')) return { schema: 'revocation.v1.json' };
    if (key === 'layout') return { schema: 'layout.v1.json' };
    return key.startsWith('begin/') ? { schema: 'cursors.v1.json' } : undefined;
  },
  'usage.dead-letters': () => ({ schema: 'dead-letter.v1.json' }),
};

/**
 * Reads a range of a ledger, one fetch at a time. Ledgers are read only through this function,
 * which parses each record and checks it by its schema. A damaged record is skipped if its key is
 * written again later in the range.
 *
 * @throws TallymanError `LEDGER_DAMAGED`; those of `readRange`
 */
export async function* readLedgerRange<L extends LedgerName>(
  client: KafkaClient,
  ledger: L,
  range: RangeOptions,
  onFetched?: OnFetched,
): AsyncGenerator<LedgerRecord<L>[], void, undefined> {
  for await (const records of readRange(client, { ...range, fetchBytes: FETCH_BYTES }, onFetched)) {
    const good: LedgerRecord<L>[] = [];
    for (const record of records) {
      try {
        good.push(ledgerRecordOf(ledger, range, record));
      } catch (error) {
        if (!(await isWrittenAgain(client, range, record))) throw error;
      }
    }
    yield good;
  }
}

function ledgerRecordOf<L extends LedgerName>(
  ledger: L,
  { topic, partition }: RangeOptions,
  { key: keyBytes, value: bytes, offset }: LogRecord,
): LedgerRecord<L> {
  const key = keyBytes?.toString() ?? '';
  const value = bytes?.toString() ?? null;
  if (value === null) return { key, value, document: null, offset };
  const found = SCHEMA_OF[ledger](key);
  if (found === undefined) return { key, value, document: undefined as LedgerDocuments[L], offset };
  const place = { topic, partition, offset };
  const document = parseRecord(found.schema, value, place) as LedgerDocuments[L];
  const { keyField } = found;
  if (keyField !== undefined && (document as Readonly<Record<string, unknown>>)[keyField] !== key)
    throw recordDamaged(place, `${keyField} is not the key ${JSON.stringify(key)}`);
  return { key, value, document, offset };
}

async function isWrittenAgain(
  client: KafkaClient,
  range: RangeOptions,
  { key, offset }: LogRecord,
): Promise<boolean> {
  for await (const records of readRange(client, { ...range, from: offset + 1 }))
    if (records.some((later) => later.key?.toString() === key?.toString())) return true;
  return false;
}

/**
 * Reads a ledger topic from its start to its end at the time of the call, one fetch at a time.
 * Records are in the order of each partition, so the last one of a key is in force.
 *
 * The end is the high watermark. Kafka acknowledges a commit before it writes the marker that makes
 * the records readable. A reader that stopped at the stable offset would miss a change whose writer
 * was already told that it succeeded.
 *
 * @throws TallymanError `LOG_STALLED` if a transaction stays open longer than any writer of a
 *   ledger may hold one
 */
export async function* readLedgerPages<L extends LedgerName>(
  client: KafkaClient,
  prefix: string,
  ledger: L,
): AsyncGenerator<LedgerRecord<L>[], void, undefined> {
  const topic = topicName(prefix, ledger);
  const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
  for (const [partition, { start, end }] of ranges.entries())
    yield* readLedgerRange(client, ledger, { topic, partition, from: start, to: end });
}

/** Like `readLedgerPages`, but one record at a time. */
export async function readLedger<L extends LedgerName>(
  client: KafkaClient,
  prefix: string,
  ledger: L,
  onRecord: (record: LedgerRecord<L>) => void,
): Promise<void> {
  for await (const records of readLedgerPages(client, prefix, ledger)) records.forEach(onRecord);
}

/**
 * A ledger is its topic's first partition. If partitions were added, the keys would choose others,
 * which nobody follows.
 */
const inLedger = (records: readonly PublishRecord[]): PublishRecord[] =>
  records.map((record) => ({ ...record, partition: 0 }));

/** Publishes records to a ledger topic; resolves when every in-sync copy has them. */
export function appendLedger(
  publisher: Publisher,
  topic: string,
  records: readonly PublishRecord[],
): Promise<void> {
  return publisher.publish(topic, inLedger(records));
}

/** The only writer of a ledger topic, until the next one is opened. */
export interface LedgerWriter {
  /**
   * Writes the records, all or none.
   *
   * If this fails, they may or may not have been written, even if another writer has taken over. To
   * find out, open the next writer and read the ledger to its end.
   */
  append(records: readonly PublishRecord[]): Promise<void>;
  close(): Promise<void>;
}

/** If a writer is killed, readers of the topic wait until the broker ends its transaction. */
const TRANSACTION_TIMEOUT_MS = 10_000;

/**
 * Opens a topic as its only writer. Kafka fences by the transactional id: the previous holder can
 * write nothing more, and its open transaction is aborted. What is read of the topic after this
 * stays complete until this writer's `append`.
 */
export async function openLedgerWriter(client: KafkaClient, topic: string): Promise<LedgerWriter> {
  const producer = client.kafkajs.producer({
    transactionalId: `tallyman ${topic}`,
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout: TRANSACTION_TIMEOUT_MS,
    allowAutoTopicCreation: false,
    createPartitioner: onePartitionEach,
  });
  await producer.connect();
  try {
    await fenceOthers(producer);
  } catch (error) {
    await producer.disconnect();
    throw error;
  }
  return {
    async append(records) {
      if (records.length === 0) return;
      const transaction = await producer.transaction();
      try {
        for (const messages of requestsOf(inLedger(records))) await sendAll(transaction, topic, messages);
        await transaction.commit();
      } catch (error) {
        await transaction.abort().catch(() => undefined); // The first error is the cause.
        throw error;
      }
    },
    close: () => producer.disconnect(),
  };
}

/** kafkajs registers with the broker at its first transaction, not before. */
async function fenceOthers(producer: Producer): Promise<void> {
  const empty = await producer.transaction();
  await empty.abort();
}
