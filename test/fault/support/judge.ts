import { openKafka } from '../../../src/kafka/client';
import { readTopic } from '../../kit/kafka/read-topic';
import { readContent, sumsOfDays } from './redis-content';
import { recount } from './recount';

/** What an installation came to, against what its log says it must be. */
export interface Verdict {
  /** Records in the log. */
  readonly events: number;
  /** A line for every number that is not what it must be. */
  readonly differences: readonly string[];
}

/**
 * Compares every number in Redis, and every dead letter, with a recount of the log from its first
 * offset.
 */
export async function judge(
  { KAFKA_BROKERS, REDIS_URL }: { readonly KAFKA_BROKERS: string; readonly REDIS_URL: string },
  prefix: string,
): Promise<Verdict> {
  const client = openKafka({ brokers: KAFKA_BROKERS.split(','), clientId: 'judge' });
  try {
    const counted = await recount(client, prefix);
    const content = await readContent(REDIS_URL, prefix);
    const letters = new Map<string, string>();
    await readTopic(client, `${prefix}.usage.dead-letters`, (key, value) => {
      // One that was published again must say the same.
      const reasons = new Set([...(letters.get(key)?.split(' and ') ?? []), reasonOf(value)]);
      letters.set(key, [...reasons].join(' and '));
    });
    const differences = [
      ...compare('total', content.totals, byName(counted.oracle.totals)),
      ...compare('day', content.daily, byName(counted.oracle.daily)),
      ...compare('sum of days', sumsOfDays(content), content.totals),
      ...compare('dead letter', letters, counted.deadLetters),
      ...compare('cursor', content.cursors, counted.ends),
    ];
    return { events: counted.records, differences };
  } finally {
    await client.close();
  }
}

const reasonOf = (value: string | null): string =>
  (JSON.parse(value ?? '{}') as { reason?: string }).reason ?? '';

/** A line for each name under which two maps differ. */
export function compare<T extends bigint | number | string>(
  what: string,
  found: ReadonlyMap<string, T>,
  expected: ReadonlyMap<string, T>,
): string[] {
  const lines: string[] = [];
  for (const name of new Set([...expected.keys(), ...found.keys()])) {
    const [is, must] = [found.get(name), expected.get(name)];
    if (is === must) continue;
    const off = typeof is === 'bigint' && typeof must === 'bigint' ? ` (off by ${is - must})` : '';
    lines.push(`${what} ${name}: found ${is ?? 'nothing'}, must be ${must ?? 'nothing'}${off}`);
  }
  return lines;
}

type ByProject = ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, bigint>>>;

function byName(sums: ByProject): Map<string, bigint> {
  const named = new Map<string, bigint>();
  for (const [project, months] of sums) {
    for (const [month, quantities] of months) {
      for (const [name, quantity] of quantities) named.set(`${project} ${month} ${name}`, quantity);
    }
  }
  return named;
}
