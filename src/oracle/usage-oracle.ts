import { BadRecord, readRecord, type Reading, type Rounding } from './oracle-reading';
import type { WorkloadRecord } from './write-record';

type Quantities = Map<string, bigint>;
/** project -> billing month -> name -> quantity in base units */
type ByMonth = Map<string, Map<string, Quantities>>;

/**
 * A second, naive implementation of the rules, to check the product. It shares no code with the
 * consumers, the rating or the totals: plain JSON, Date, regular expressions and BigInt, one record
 * at a time, with every identity in memory. Records must be added in the order of their partitions.
 * Its days and months are in UTC.
 */
export interface Oracle {
  /** @returns the reason if the record is a dead letter; otherwise undefined */
  add(record: WorkloadRecord): string | undefined;
  /**
   * Closes a month: from here on, its usage and that of earlier months is late, and billed in the
   * month after.
   */
  closeMonth(month: string): void;
  /** Totals by meter, with late usage as `<month>@<meter>`. */
  readonly totals: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, bigint>>>;
  /** Days by `<day of the usage>/<meter>`. */
  readonly daily: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, bigint>>>;
  readonly counts: {
    records: number;
    counted: number;
    duplicates: number;
    voided: number;
    unknownVoids: number;
    readonly deadLetters: Record<string, number>;
  };
}

export function createOracle({ rounding = 'per-minute' }: { rounding?: Rounding } = {}): Oracle {
  const totals: ByMonth = new Map();
  const daily: ByMonth = new Map();
  const seen = new Set<string>();
  let closed = '';
  const voided = new Set<string>();
  const deadLetters: Record<string, number> = {};
  const counts = { records: 0, counted: 0, duplicates: 0, voided: 0, unknownVoids: 0, deadLetters };
  function refuse(reason: string): string {
    deadLetters[reason] = (deadLetters[reason] ?? 0) + 1;
    return reason;
  }
  function add({ project, day, quantities }: Reading, sign: bigint): void {
    const month = day.slice(0, 7);
    const isLate = month <= closed;
    const bill = isLate ? monthAfter(closed) : month;
    for (const [meter, quantity] of quantities) {
      if (quantity === 0n) continue;
      increase(totals, project, bill, isLate ? `${month}@${meter}` : meter, quantity * sign);
      increase(daily, project, bill, `${day}/${meter}`, quantity * sign);
    }
  }
  /**
   * Takes an event back, once. If it has not arrived yet, it will never count. If the repeated data
   * do not fit, the void is rejected.
   */
  function takeBack(reading: Reading): string | undefined {
    const { identity, project, day, quantities } = reading;
    if (voided.has(identity)) {
      counts.duplicates += 1;
      return undefined;
    }
    const wasCounted = seen.has(identity);
    const used = (meter: string): bigint =>
      [...(daily.get(project)?.values() ?? [])].reduce(
        (sum, names) => sum + (names.get(`${day}/${meter}`) ?? 0n),
        0n,
      );
    if (wasCounted && quantities.some(([meter, quantity]) => used(meter) < quantity))
      return refuse('void_mismatch');
    voided.add(identity);
    seen.add(identity);
    counts[wasCounted ? 'voided' : 'unknownVoids'] += 1;
    if (wasCounted) add(reading, -1n);
    return undefined;
  }
  return {
    totals,
    daily,
    counts,
    closeMonth(month) {
      closed = month;
    },
    add(record) {
      counts.records += 1;
      const reading = readOrReason(record, rounding);
      if (typeof reading === 'string') return refuse(reading);
      if (reading.isVoid) return takeBack(reading);
      if (seen.has(reading.identity)) {
        counts.duplicates += 1;
        return undefined;
      }
      seen.add(reading.identity);
      counts.counted += 1;
      add(reading, 1n);
      return undefined;
    },
  };
}

function readOrReason(record: WorkloadRecord, rounding: Rounding): Reading | string {
  try {
    return readRecord(record, rounding);
  } catch (error) {
    if (error instanceof BadRecord) return error.reason;
    throw error;
  }
}

function increase(sums: ByMonth, project: string, month: string, name: string, quantity: bigint): void {
  const months = sums.get(project) ?? new Map<string, Quantities>();
  const names = months.get(month) ?? new Map<string, bigint>();
  const sum = (names.get(name) ?? 0n) + quantity;
  if (sum === 0n) names.delete(name);
  else names.set(name, sum);
  sums.set(project, months.set(month, names));
}

function monthAfter(month: string): string {
  const [year, number] = month.split('-').map(Number) as [number, number];
  return new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 7);
}
