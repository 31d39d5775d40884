import { createWorkload, type WorkloadRecord } from '../src/oracle/workload';
import { monthOf, previousMonth } from '../src/rating/month';

/** All that a workload depends on: the same options give the same records, in every process. */
export interface BenchWorkload {
  readonly seed: number;
  readonly month: string;
  readonly events: number;
  readonly projects: number;
}

/**
 * Half sessions, a fifth transfers, a tenth agents, a fifth inference; 2 % repeats, 0.1 % bad, 1 %
 * of the month before.
 */
export function benchWorkload({ seed, month, events, projects }: BenchWorkload): Generator<WorkloadRecord> {
  return createWorkload({ seed, month, events, projects: projectNames(projects) });
}

export function projectNames(count: number): string[] {
  return Array.from({ length: count }, (_, rank) => `p_${rank.toString(36).padStart(8, '0')}`);
}

/** The last whole month: Kafka would remove records that are older than the topics keep them. */
export function lastMonth(nowMs: number): string {
  return previousMonth(monthOf(new Date(nowMs).toISOString()));
}
