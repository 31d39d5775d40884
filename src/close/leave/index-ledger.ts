import type { KafkaClient } from '../../kafka/client';
import { readLedgerRange } from '../../kafka/ledger/ledger';
import { logRanges, topicName } from '../../kafka/topics/topics';
import { createProgress } from '../../lib/progress';
import { buildMonthIndex, hashOf, type IndexedRecord, type MonthIndex } from '../../redis/usage/month-index';

const LEDGER = 'billing.totals';

/** Where the ledger holds a month: shard -> index. A shard without usage in the month is absent. */
export type LedgerIndex = ReadonlyMap<number, MonthIndex>;

/**
 * Searches the ledger for months, from an offset to its end, because the last record of a key is in
 * force. It keeps the names of their projects in memory.
 *
 * @returns month -> its index; undefined if its mark is missing, because the ledger does not hold
 *   all of it. A month of which the ledger holds nothing is absent
 */
export async function indexLedger(
  kafka: KafkaClient,
  prefix: string,
  months: readonly string[],
  fromOffset = 0,
): Promise<Map<string, LedgerIndex | undefined>> {
  const topic = topicName(prefix, LEDGER);
  const { start, end } = (await logRanges(kafka, [topic])).get(topic)![0]!;
  const from = Math.max(start, fromOffset);
  const wanted = new Map(months.map((month) => [month, new Map<number, IndexedRecord[]>()]));
  const marked = new Set<string>();
  const progress = createProgress(LEDGER);
  for await (const records of readLedgerRange(kafka, LEDGER, { topic, partition: 0, from, to: end })) {
    for (const { key, value, document, offset } of records) {
      if (!document) {
        if (value === null) marked.delete(key);
        else marked.add(key);
        continue;
      }
      const { month, shard, project, part } = document;
      const shards = wanted.get(month);
      if (shards === undefined) continue;
      const own = shards.get(shard) ?? [];
      own.push({ project, part, offset, hash: hashOf(key, value!) });
      shards.set(shard, own);
    }
    progress.update((records.at(-1)?.offset ?? from) - from, end - from);
  }
  progress.end();
  const indexOf = (month: string, shards: ReadonlyMap<number, IndexedRecord[]>): LedgerIndex | undefined =>
    marked.has(month) ? new Map([...shards].map(([shard, own]) => [shard, buildMonthIndex(own)])) : undefined;
  return new Map(
    [...wanted]
      .filter(([month, shards]) => marked.has(month) || shards.size > 0)
      .map(([month, shards]) => [month, indexOf(month, shards)]),
  );
}
