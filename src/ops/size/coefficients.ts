/**
 * A figure that was measured on two cores, and the row of `npm run bench -- size` that checks it.
 */
export interface Coefficient {
  readonly value: number;
  /** What the row contains, and the column of the figure. */
  readonly row: Readonly<Record<string, string | number>>;
  readonly column: string;
  /** How far a measurement may be off, as a share of the value. */
  readonly margin: number;
}

/** Bytes hardly depend on the machine. Times do, and on what else runs on it. */
const BYTES = 0.15;
const TIME = 0.5;
/** The intercept of a line through keys of all sizes. It matters little. */
const FITTED = 0.5;

const counting = (projects: number) => ({ section: 'throughput', engine: 'tallyman', projects });
const INSTALLATION = { section: 'size', what: 'installation' };

/**
 * Everything that the sizing model takes from measurements. CPU is in microseconds per event, and
 * what one process does in a second is what it does in a second of CPU.
 */
export const COEFFICIENTS = {
  consumerCpuOf100: { value: 5.9, row: counting(100), column: 'consumerCpu', margin: TIME },
  consumerCpuOf20k: { value: 7.3, row: counting(20_000), column: 'consumerCpu', margin: TIME },
  consumerCpuOf1M: { value: 8.2, row: counting(1_000_000), column: 'consumerCpu', margin: TIME },
  redisCpuOf100: { value: 0.6, row: counting(100), column: 'redisCpu', margin: TIME },
  redisCpuOf20k: { value: 4.7, row: counting(20_000), column: 'redisCpu', margin: TIME },
  redisCpuOf1M: { value: 9.8, row: counting(1_000_000), column: 'redisCpu', margin: TIME },
  consumerMb: { value: 340, row: counting(20_000), column: 'peakMemoryMb', margin: TIME },
  /** Seconds of CPU of a whole close. */
  closeOf100k: {
    ...{ value: 21.5, column: 'cpuSeconds', margin: TIME },
    row: { section: 'close', what: 'close', projects: 100_000 },
  },
  verifyPerSecond: { value: 65_700, row: INSTALLATION, column: 'verifyPerSecond', margin: TIME },
  /** What a closed month takes beyond that, for each of its projects. */
  verifyMsPerProject: { value: 1.5, row: INSTALLATION, column: 'verifyMsPerProject', margin: TIME },
  followPerSecond: { value: 35_000, row: INSTALLATION, column: 'followPerSecond', margin: TIME },
  rebuildPerSecond: { value: 85_000, row: INSTALLATION, column: 'rebuildPerSecond', margin: TIME },
  /** In Redis. */
  idBytes: { value: 8.1, row: { section: 'growth', ids: 1_000_000 }, column: 'bytesPerId', margin: BYTES },
  /** In the memory of the consumer that counts its partition. */
  consumerIdBytes: { value: 14, row: INSTALLATION, column: 'consumerIdBytes', margin: 0.3 },
  totalsKeyBytes: { value: 57, row: INSTALLATION, column: 'totalsKeyBytes', margin: FITTED },
  totalsFieldBytes: { value: 40, row: INSTALLATION, column: 'totalsFieldBytes', margin: BYTES },
  daysKeyBytes: { value: 21, row: INSTALLATION, column: 'daysKeyBytes', margin: FITTED },
  daysFieldBytes: { value: 46, row: INSTALLATION, column: 'daysFieldBytes', margin: BYTES },
  /** In a hash of days with more than 512 fields. */
  looseFieldBytes: { value: 98, row: INSTALLATION, column: 'looseFieldBytes', margin: BYTES },
  listedBytes: { value: 58, row: INSTALLATION, column: 'listedBytes', margin: BYTES },
  planBytes: { value: 128, row: INSTALLATION, column: 'planBytes', margin: BYTES },
  invoiceBytes: { value: 6_000, row: INSTALLATION, column: 'invoiceBytes', margin: 0.3 },
  /** On the disk of one copy. */
  logBytes: { value: 70, row: INSTALLATION, column: 'logBytes', margin: BYTES },
  ledgerBytes: { value: 2_200, row: INSTALLATION, column: 'ledgerBytes', margin: 0.3 },
  /** For each id, and for each field of totals and days. */
  followBytes: { value: 50, row: INSTALLATION, column: 'followBytes', margin: 0.3 },
} as const satisfies Readonly<Record<string, Coefficient>>;

/** Their values. */
export type Figures = Readonly<Record<keyof typeof COEFFICIENTS, number>>;

export const FIGURES = Object.fromEntries(
  Object.entries(COEFFICIENTS).map(([name, { value }]) => [name, value]),
) as Figures;
