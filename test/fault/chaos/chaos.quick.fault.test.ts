import { faultCase } from '../support/fault-case';
import { runSeed, SEED_TIMEOUT_MS } from './run-seed';

// Seed and faults are chosen so that it is quick, and a little of each comes.
faultCase(
  'chaos',
  'a little of it: consumers, Redis without its tail, closes at once',
  async (counts) => {
    const { kills, events, differences, report } = await runSeed({
      ...{ seed: 1, kills: 10 },
      faults: ['consumers killed', 'Redis loses its tail', 'closes at once'],
    });
    Object.assign(counts, { kills, events, differences: differences.length });
    if (report !== '') throw new Error(report);
  },
  SEED_TIMEOUT_MS,
);
