import { createOracle, type Oracle } from '../../../src/oracle/usage-oracle';
import type { WorkloadRecord } from '../../../src/oracle/workload';
import type { KafkaClient } from '../../../src/kafka/client';
import { readTopic } from '../../kit/kafka/read-topic';
import { readRange, type LogRecord } from '../../../src/kafka/read-range';
import { logRanges } from '../../../src/kafka/topics/topics';

export const TOPICS = ['usage.session', 'usage.transfer', 'usage.agent', 'usage.inference'] as const;

/** shard -> topic with its prefix, or that and `/<partition>` -> offset */
type Cursors = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** What the log holds, counted by the naive oracle. */
export interface Recount {
  readonly oracle: Oracle;
  readonly records: number;
  /** `<topic>/<partition>/<offset>` -> reason */
  readonly deadLetters: ReadonlyMap<string, string>;
  /** `<topic>/<partition>` -> log end */
  readonly ends: ReadonlyMap<string, number>;
}

/**
 * Recounts an installation's usage from Kafka alone, from offset 0. What is late is told by the
 * ledger of closes: it says up to which offset each month was counted in time.
 */
export async function recount(client: KafkaClient, prefix: string): Promise<Recount> {
  const closes = new Map<string, Cursors>();
  await readTopic(client, `${prefix}.billing.closes`, (month, value) => {
    if (value !== null) closes.set(month, (JSON.parse(value) as { cursors: Cursors }).cursors);
  });
  const oracle = createOracle();
  const deadLetters = new Map<string, string>();
  const ends = new Map<string, number>();
  const positions = new Map<string, number>();
  let counted = 0;

  /** Each partition from where it stands to the offset that is given for it, or to its end. */
  const readUpTo = async (cursors?: Cursors): Promise<void> => {
    const ranges = await logRanges(
      client,
      TOPICS.map((topic) => `${prefix}.${topic}`),
    );
    for (const topic of TOPICS) {
      const name = `${prefix}.${topic}`;
      for (const [partition, { start, end }] of (ranges.get(name) ?? []).entries()) {
        if (start > 0)
          throw new Error(`${name}/${partition} begins at ${start}: there is no counting from 0`);
        const place = `${name}/${partition}`;
        const from = positions.get(place) ?? 0;
        // A partition that was added is in another partition's shard, under this name.
        const frozen = Object.values(cursors ?? {}).find((all) => all[place] !== undefined)?.[place];
        const to = cursors ? (frozen ?? cursors[partition]?.[name] ?? 0) : end;
        for await (const records of readRange(client, { topic: name, partition, from, to })) {
          for (const record of records) {
            counted += 1;
            const reason = oracle.add(workloadRecord(topic, record));
            if (reason !== undefined) deadLetters.set(`${place}/${record.offset}`, reason);
          }
        }
        positions.set(place, to);
        ends.set(place, end);
      }
    }
  };

  for (const [month, cursors] of [...closes].sort(([a], [b]) => (a < b ? -1 : 1))) {
    await readUpTo(cursors);
    oracle.closeMonth(month);
  }
  await readUpTo();
  return { oracle, records: counted, deadLetters, ends };
}

function workloadRecord(topic: string, { key, value, headers, timestampMs }: LogRecord): WorkloadRecord {
  const texts = Object.entries(headers).map(([name, text]) => [name, String(text)] as const);
  return {
    ...{ topic, key: key?.toString() ?? '', value, timestampMs },
    ...(texts.length > 0 && { headers: Object.fromEntries(texts) }),
  };
}
