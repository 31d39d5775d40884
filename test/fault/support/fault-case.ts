import { appendFileSync } from 'node:fs';

/** One line of the results. */
export interface CaseResult {
  readonly suite: string;
  readonly name: string;
  readonly seed: number;
  readonly kills: number;
  readonly events: number;
  readonly seconds: number;
  /**
   * How many numbers were not what they must be; undefined where the case failed before it was
   * judged.
   */
  readonly differences: number | undefined;
  readonly passed: boolean;
}

/** What a case counts for its line. */
export interface CaseCounts {
  kills: number;
  events: number;
  differences: number | undefined;
  /** Says how far a long case is. */
  readonly tell: (line: string) => void;
}

/**
 * The seed of the whole run. `SEED=... npm run test:faults` repeats it, as far as processes and
 * networks can be repeated.
 */
export const RUN_SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000);

const CLEANUP_TIMEOUT_MS = 60_000;

/** Where the results are gathered; set by run.ts. */
const RESULTS_FILE = process.env['TALLYMAN_FAULT_RESULTS'];

/** A test whose result is a line of the table. The body ends what it starts. */
export function faultCase(
  suite: string,
  name: string,
  body: (counts: CaseCounts) => Promise<void>,
  timeoutMs: number,
): void {
  const inCase = async (): Promise<void> => {
    const startedAt = Date.now();
    const counts: CaseCounts = {
      ...{ kills: 0, events: 0, differences: undefined },
      tell: (line) => tell(`${suite}: ${line}`),
    };
    let passed = false;
    tell(`${suite}: ${name} ...`);
    try {
      await body(counts);
      passed = true;
    } catch (error) {
      throw new Error(
        `SEED=${RUN_SEED} repeats it. ${error instanceof Error ? error.message : String(error)}`,
        {
          cause: error,
        },
      );
    } finally {
      const { kills, events, differences } = counts;
      const seconds = Math.round((Date.now() - startedAt) / 1000);
      record({ suite, name, seed: RUN_SEED, kills, events, seconds, differences, passed });
      tell(
        `${suite}: ${name}: ${passed ? 'passed' : 'FAILED'} in ${seconds} s, ${kills} kills, ${events} events`,
      );
    }
  };
  test(name, inCase, timeoutMs + CLEANUP_TIMEOUT_MS);
}

/** How far a whole run is: jest itself tells at the end of a file. */
function tell(line: string): void {
  if (RESULTS_FILE) process.stderr.write(`${line}\n`);
}

function record(result: CaseResult): void {
  if (RESULTS_FILE) appendFileSync(RESULTS_FILE, `${JSON.stringify(result)}\n`);
}
