import type { Result } from './results';

/** What a figure must come to, for the rows that it is asked of. */
interface Target {
  readonly says: string;
  readonly rows: (row: Result) => boolean;
  /** The figure of a row; undefined where the run lacks what it is measured against. */
  readonly figure: (row: Result, all: readonly Result[]) => number | undefined;
  readonly atLeast?: number;
  readonly atMost?: number;
}

const isTallyman = (row: Result): boolean => row['engine'] === 'tallyman';
const isClose = (what: string) => (row: Result) =>
  row.section === 'close' && row['what'] === what && row['projects'] === 100_000;
const of = (name: string) => (row: Result) => numberOf(row, name);

/** For two cores, one consumer process, `appendfsync everysec`, all guarantees on. */
const TARGETS: readonly Target[] = [
  {
    says: 'events a second at 20,000 projects',
    rows: (row) => isTallyman(row) && row['projects'] === 20_000,
    figure: of('eventsPerSecond'),
    atLeast: 150_000,
  },
  {
    says: 'events a second at 100 projects',
    rows: (row) => isTallyman(row) && row['projects'] === 100,
    figure: of('eventsPerSecond'),
    atLeast: 200_000,
  },
  {
    says: 'CPU of the consumer, times the bare client',
    rows: isTallyman,
    figure: of('cpuToRaw'),
    atMost: 2.5,
  },
  { says: 'events a CPU second, times naive', rows: isTallyman, figure: of('perCpuToNaive'), atLeast: 10 },
  {
    says: 'events a second over HTTP',
    rows: (row) => row.section === 'gateway' && row['what'] === 'requests of 100',
    figure: of('eventsPerSecond'),
    atLeast: 20_000,
  },
  {
    says: 'wrong totals',
    rows: (row) => row.section === 'gateway' || String(row['engine']).startsWith('tallyman'),
    figure: of('wrongTotals'),
    atMost: 0,
  },
  {
    says: 'bytes of Redis an id at 10 million',
    rows: (row) => row['ids'] === 10_000_000,
    figure: of('bytesPerId'),
    atMost: 12,
  },
  {
    says: 'CPU of an event at 50 million ids, times that at 0.1 million',
    rows: (row) => row['ids'] === 50_000_000,
    figure: (row, all) =>
      ratio(
        row,
        all.find(({ ids }) => ids === 100_000),
        'applyCpuUs',
      ),
    atMost: 1.3,
  },
  {
    says: 'ms from event to total, p99 at 20,000 events a second',
    rows: (row) => row['what'] === 'steady' && row['rate'] === 20_000,
    figure: of('p99Ms'),
    atMost: 250,
  },
  {
    says: 'events a second that came meanwhile: fewer, and the line above says little',
    rows: (row) => row['what'] === 'steady' && row['rate'] === 20_000,
    figure: of('eventsPerSecond'),
    atLeast: 19_000,
  },
  {
    says: 'MB of the consumer at most',
    rows: (row) => isTallyman(row) || row.section === 'freshness',
    figure: of('peakMemoryMb'),
    atMost: 300,
  },
  { says: 's to close 100,000 projects', rows: isClose('close'), figure: of('seconds'), atMost: 30 },
  { says: 'MB of that close at most', rows: isClose('close'), figure: of('peakMemoryMb'), atMost: 300 },
  {
    says: 's for `tallyman totals`, cold',
    rows: (row) => row['what'] === TOTALS_COMMAND,
    figure: of('seconds'),
    atMost: 0.05,
  },
];

export const TOTALS_COMMAND = 'totals of one project, command and all';

/**
 * The rows with their ratios: of an engine's CPU to the bare client's, and of its events a second
 * of CPU, Redis's included, to those of the naive engine. Each within its own run, whose machine
 * was the same.
 */
export function withRatios(results: readonly Result[]): Result[] {
  const beside = (row: Result, engine: string): Result | undefined =>
    results.find((other) => other['engine'] === engine && other['projects'] === row['projects']);
  return results.map((row) => {
    if (row.section !== 'throughput') return row;
    const naive = beside(row, 'naive');
    const cpuToRaw = ratio(row, beside(row, 'raw'), 'consumerCpu');
    const cpu = cpuOf(row);
    const naiveCpu = naive && cpuOf(naive);
    return {
      ...row,
      ...(cpu !== undefined && { eventsPerCpuSecond: 1e6 / cpu }),
      ...(cpuToRaw !== undefined && { cpuToRaw }),
      ...(cpu !== undefined && naiveCpu !== undefined && { perCpuToNaive: naiveCpu / cpu }),
    };
  });
}

/** Seconds a million events, of an engine that counts. */
function cpuOf(row: Result): number | undefined {
  const [consumer, redis] = [numberOf(row, 'consumerCpu'), numberOf(row, 'redisCpu')];
  return row['engine'] === 'raw' || consumer === undefined || redis === undefined
    ? undefined
    : consumer + redis;
}

/** A line for each target and each row that it is asked of; none for what was not measured. */
export function judge(results: readonly Result[]): string[] {
  return TARGETS.flatMap(({ says, rows, figure, atLeast, atMost }) =>
    results.filter(rows).flatMap((row) => {
      const value = figure(row, results);
      if (value === undefined) return [];
      const isMet = value >= (atLeast ?? value) && value <= (atMost ?? value);
      const asked = atLeast === undefined ? `at most ${shown(atMost!)}` : `at least ${shown(atLeast)}`;
      return [`${isMet ? 'PASS' : 'MISS'}  ${shown(value)} ${says} (${asked}): ${placeOf(row)}`];
    }),
  );
}

const placeOf = (row: Result): string =>
  ['section', 'engine', 'what', 'ids', 'projects']
    .flatMap((name) => (row[name] === undefined ? [] : `${name} ${String(row[name])}`))
    .join(', ');

const shown = (value: number): string =>
  value.toLocaleString('en-US', { maximumFractionDigits: value >= 100 ? 0 : 3 });

function ratio(row: Result, base: Result | undefined, name: string): number | undefined {
  const [value, of] = [numberOf(row, name), base && numberOf(base, name)];
  return value === undefined || !of ? undefined : value / of;
}

function numberOf(row: Result, name: string): number | undefined {
  const value = row[name];
  return typeof value === 'number' ? value : undefined;
}
