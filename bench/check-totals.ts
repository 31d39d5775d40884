import type { Redis } from 'ioredis';
import type { Oracle } from '../src/oracle/usage-oracle';
import type { Store } from '../src/redis/store';
import type { Recount } from './recount';

/** `<month>:<project>` -> meter -> quantity. */
export type Totals = Map<string, Map<string, bigint>>;

const PAGE = 1_000;

/** What an oracle has counted, as text. */
export function totalsOf(oracle: Oracle): Recount['totals'] {
  const totals: Record<string, Record<string, string>> = {};
  for (const [project, months] of oracle.totals) {
    for (const [month, meters] of months) {
      totals[`${month}:${project}`] = Object.fromEntries(
        [...meters].map(([meter, quantity]) => [meter, String(quantity)]),
      );
    }
  }
  return totals;
}

/**
 * Compares totals with the recount, and uses them up.
 *
 * @returns how many are wrong, missing ones and ones too many among them
 */
export function countWrong(found: Totals, expected: Recount['totals']): { wrong: number; of: number } {
  let wrong = 0;
  let of = 0;
  for (const [key, meters] of Object.entries(expected)) {
    const hash = found.get(key);
    found.delete(key);
    for (const [meter, quantity] of Object.entries(meters)) {
      of += 1;
      if (String(hash?.get(meter) ?? 0n) !== quantity) wrong += 1;
      hash?.delete(meter);
    }
    for (const quantity of hash?.values() ?? []) if (quantity !== 0n) wrong += 1;
  }
  for (const hash of found.values()) wrong += hash.size;
  return { wrong, of };
}

/**
 * Reads every hash of totals there is.
 *
 * @param pattern finds the keys; `<month>:<project>` is what follows `stem` in them
 */
export async function readHashes(
  store: Store,
  { pattern, stem, ignored }: { pattern: string; stem: RegExp; ignored?: RegExp },
): Promise<Totals> {
  const redis = store.redis as Redis;
  const totals: Totals = new Map();
  const seen = new Set<string>();
  let cursor = '0';
  do {
    const [next, keys] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', PAGE);
    cursor = next;
    const wanted = keys.filter((key) => !ignored?.test(key));
    const reads = redis.pipeline();
    for (const key of wanted) reads.hgetall(key);
    const answers = (await reads.exec()) ?? [];
    wanted.forEach((key, at) => {
      if (seen.has(key)) return; // A scan may show a key twice.
      seen.add(key);
      const name = key.replace(stem, '');
      const sums = totals.get(name) ?? new Map<string, bigint>();
      for (const [meter, quantity] of Object.entries(answers[at]?.[1] as Record<string, string>)) {
        sums.set(meter, (sums.get(meter) ?? 0n) + BigInt(quantity));
      }
      totals.set(name, sums);
    });
  } while (cursor !== '0');
  return totals;
}
