import { InvalidArgumentError, Option } from 'commander';
import { withContext, type Context } from '../installation/context';
import { processMetrics, serveProbes, type Readiness } from '../lib/health-server';
import { pause } from '../lib/process/poller';
import { stopsInOrder } from '../lib/process/stop-signal';
import { durationArgument } from './lib/arguments';
import { describeError } from './lib/describe-error';

const SHORTEST_MS = 1_000;
/** Node's timers take no longer wait. */
const LONGEST_MS = 24 * 86_400_000;

export function everyOption(): Option {
  return new Option('--every <duration>', 'run again this long after each run, until stopped').argParser(
    (text: string) => {
      const everyMs = durationArgument(text);
      if (everyMs >= SHORTEST_MS && everyMs <= LONGEST_MS) return everyMs;
      throw new InvalidArgumentError('write a duration from 1s to 24d.');
    },
  );
}

/**
 * Runs a verb once, or with `--every` until a signal ends the process. A run that fails is logged,
 * and the next one follows all the same. Each run opens and closes its own connections.
 */
export async function runEvery(
  everyMs: number | undefined,
  verb: string,
  run: (context: Context) => Promise<void>,
): Promise<void> {
  if (everyMs === undefined) return withContext(run);
  await withContext(async ({ config, logger }) => {
    // A run may be killed at any moment.
    stopsInOrder();
    let problems: Readiness['problems'] = [];
    const readiness = (): Readiness => ({ ready: problems.length === 0, problems });
    await serveProbes(config.health, readiness, processMetrics(), logger);
    for (;;) {
      problems = await problemsOfRun(verb, run);
      for (const problem of problems) logger.error(problem, 'the run failed');
      await pause(everyMs);
    }
  });
}

async function problemsOfRun(
  verb: string,
  run: (context: Context) => Promise<void>,
): Promise<Readiness['problems']> {
  process.exitCode = 0;
  try {
    await withContext(run);
    if (process.exitCode === 0) return [];
    const detail = `the last run would have exited with ${process.exitCode}`;
    return [{ code: 'RUN_FAILED', subject: verb, detail }];
  } catch (error) {
    const { code, message } = describeError(error);
    return [{ code, subject: verb, detail: message }];
  }
}
