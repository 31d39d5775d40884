import { FAULTS, type FaultName } from './faults';

/** Which seeds are run: `npm run test:faults -- chaos --seeds 20 --from 1` sets them. */
export const SEEDS = Number(process.env['CHAOS_SEEDS'] ?? 20);
export const FROM_SEED = Number(process.env['CHAOS_FROM'] ?? 1);
export const KILLS_PER_SEED = 50;

/** `CHAOS_FAULTS='Redis,closes'` takes only those whose name has one of the words. */
export function chosenFaults(): FaultName[] {
  const words = process.env['CHAOS_FAULTS']?.split(',') ?? [''];
  const all = Object.keys(FAULTS) as FaultName[];
  return all.filter((name) => words.some((word) => name.includes(word)));
}
