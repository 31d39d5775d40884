import { setTimeout as delay } from 'node:timers/promises';
import { Chaos, type ChaosOptions } from './chaos';
import { startChaosWorld } from './world';

const SHOWN_DIFFERENCES = 40;
/** Many times what a seed takes on a quiet machine. */
export const SEED_TIMEOUT_MS = 900_000;

export interface SeedResult {
  readonly kills: number;
  readonly events: number;
  /** Every number that was not what it must be, and every remedy that did not work. */
  readonly differences: readonly string[];
  /** All of it for a person, and how to repeat it; empty where all was exact. */
  readonly report: string;
}

/** Runs one seed on servers of its own. Those of a seed that failed keep their files. */
export async function runSeed(options: ChaosOptions): Promise<SeedResult> {
  const world = await startChaosWorld(options.seed);
  const chaos = new Chaos(world, options);
  const differences = await Promise.race([chaos.run(), tooLong()]).catch((error: unknown) => [
    error instanceof Error ? (error.stack ?? error.message) : String(error),
  ]);
  await chaos.abandon();
  let report = '';
  if (differences.length > 0) {
    for (const difference of differences) world.tell(`WRONG: ${difference}`);
    report = [
      `seed ${options.seed}: npm run test:faults -- chaos --seeds 1 --from ${options.seed} repeats it.`,
      `Files and story: ${await world.keep()}`,
      ...differences.slice(0, SHOWN_DIFFERENCES),
    ].join('\n  ');
  }
  await world.stop();
  return { kills: chaos.kills, events: chaos.acknowledged.records, differences, report };
}

async function tooLong(): Promise<string[]> {
  await delay(SEED_TIMEOUT_MS, undefined, { ref: false });
  return [`not through after ${SEED_TIMEOUT_MS / 1_000} s`];
}
