import { writeFileSync } from 'node:fs';
import { createOracle } from '../src/oracle/usage-oracle';
import { totalsOf } from './check-totals';
import { benchWorkload, type BenchWorkload } from './workload';

/**
 * Recounts a workload with the demo's oracle, which shares no code with the consumers, and writes
 * what must come out.
 */

export interface Recount {
  readonly counted: number;
  readonly duplicates: number;
  readonly deadLetters: Readonly<Record<string, number>>;
  /** `<month>:<project>` -> meter -> quantity. */
  readonly totals: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

function recount(workload: BenchWorkload, closed: string): Recount {
  const oracle = createOracle();
  oracle.closeMonth(closed);
  for (const record of benchWorkload(workload)) oracle.add(record);
  return { ...oracle.counts, totals: totalsOf(oracle) };
}

const [, , workload = '{}', closed = '', file = ''] = process.argv;
writeFileSync(file, JSON.stringify(recount(JSON.parse(workload) as BenchWorkload, closed)));
process.disconnect();
