import { BadRecord, readRecord, type Reading, type Rounding } from './oracle-reading';
import type { WorkloadRecord } from './write-record';

type Quantities = Map<string, bigint>;
/** project -> month of the bill -> name -> quantity in base units */
type ByMonth = Map<string, Map<string, Quantities>>;

/**
 * A second, naive reading of the rules, to judge the first by. It shares no code with the consumers, the rating or the
 * totals: plain JSON, Date, regular expressions and BigInt, one record at a time, every identity held in memory.
 * Records are to be added in the order of their partitions. Its days and months are those of UTC.
 */
export interface Oracle {
  /** @returns the reason for which the record is a dead letter; undefined for one that is not */
  add(record: WorkloadRecord): string | undefined;
  /** From here on usage of this month and of those before it is late: billed in the month after. */
  closeMonth(month: string): void;
  /** By meter, late usage as `<month>@<meter>`. */
  readonly totals: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, bigint>>>;
  /** By `<day of the usage>/<meter>`. */
  readonly daily: ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, bigint>>>;
  readonly counts: {
    records: number;
    counted: number;
    duplicates: number;
    readonly deadLetters: Record<string, number>;
  };
}

export function createOracle({ rounding = 'per-minute' }: { rounding?: Rounding } = {}): Oracle {
  const totals: ByMonth = new Map();
  const daily: ByMonth = new Map();
  const seen = new Set<string>();
  const counts = { records: 0, counted: 0, duplicates: 0, deadLetters: {} as Record<string, number> };
  let closed = '';
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
      if (typeof reading === 'string') {
        counts.deadLetters[reading] = (counts.deadLetters[reading] ?? 0) + 1;
        return reading;
      }
      if (seen.has(reading.identity)) {
        counts.duplicates += 1;
        return undefined;
      }
      seen.add(reading.identity);
      counts.counted += 1;
      const { project, day } = reading;
      const month = day.slice(0, 7);
      const isLate = month <= closed;
      const bill = isLate ? monthAfter(closed) : month;
      for (const [meter, quantity] of reading.quantities) {
        if (quantity === 0n) continue;
        increase(totals, project, bill, isLate ? `${month}@${meter}` : meter, quantity);
        increase(daily, project, bill, `${day}/${meter}`, quantity);
      }
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
  names.set(name, (names.get(name) ?? 0n) + quantity);
  sums.set(project, months.set(month, names));
}

function monthAfter(month: string): string {
  const [year, number] = month.split('-').map(Number) as [number, number];
  return new Date(Date.UTC(year, number, 1)).toISOString().slice(0, 7);
}
