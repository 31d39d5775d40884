import { faultCase } from '../support/fault-case';
import { runSeed, SEED_TIMEOUT_MS } from './run-seed';
import { chosenFaults, FROM_SEED, KILLS_PER_SEED, SEEDS } from './seeds';

// One case: it is all seeds together that must not show a single difference.
faultCase(
  'chaos',
  `everything fails at once, by the seeds ${FROM_SEED} to ${FROM_SEED + SEEDS - 1}`,
  async (counts) => {
    const reports: string[] = [];
    counts.differences = 0;
    for (let seed = FROM_SEED; seed < FROM_SEED + SEEDS; seed += 1) {
      const { kills, events, differences, report } = await runSeed({
        ...{ seed, kills: KILLS_PER_SEED, faults: chosenFaults() },
      });
      counts.kills += kills;
      counts.events += events;
      counts.differences += differences.length;
      if (report !== '') reports.push(report);
      counts.tell(report === '' ? `seed ${seed}: exact after ${kills} kills` : report);
    }
    if (reports.length > 0) throw new Error(reports.join('\n'));
  },
  (SEEDS + 1) * SEED_TIMEOUT_MS,
);
