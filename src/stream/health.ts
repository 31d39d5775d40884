import type { RunnerStatus } from './runner';

/** Something that keeps usage from being counted. */
export interface HealthProblem {
  readonly code: 'PARTITION_STUCK' | 'LOOP_STOPPED' | 'STORE_AWAY';
  /** `<topic>/<partition>`, a topic, or the store. */
  readonly subject: string;
  readonly detail: string;
}

export interface Health {
  /** Whether usage is being counted as it comes. */
  readonly ready: boolean;
  readonly problems: readonly HealthProblem[];
}

export interface HealthInput {
  readonly statuses: readonly RunnerStatus[];
  /** Why Redis does not answer; undefined when it does. */
  readonly storeProblem: string | undefined;
  readonly nowMs: number;
  /** A partition with lag that has not moved for so long is stuck. */
  readonly stuckAfterMs: number;
}

/** A consumer's loop comes round each second, and waits up to its rebalance time-out (30 s) for other members. */
export const LOOP_LIMIT_MS = 40_000;

/** What is wrong with a process's consumers, if anything. Pure. */
export function checkHealth({ statuses, storeProblem, nowMs, stuckAfterMs }: HealthInput): Health {
  const problems: HealthProblem[] = [];
  if (storeProblem !== undefined)
    problems.push({ code: 'STORE_AWAY', subject: 'Redis', detail: storeProblem });
  for (const { topic, lastTickAt, partitions } of statuses) {
    const idleMs = nowMs - lastTickAt;
    if (idleMs > LOOP_LIMIT_MS) {
      const detail = `the consumer has not come round for ${seconds(idleMs)} s`;
      problems.push({ code: 'LOOP_STOPPED', subject: topic, detail });
    }
    for (const { partition, cursor, highWatermark, lastProgressAt } of partitions) {
      const stillMs = nowMs - lastProgressAt;
      // Before its cursor is read, a partition may hold anything.
      const lag = highWatermark - (cursor ?? 0);
      if (stillMs <= stuckAfterMs || (cursor !== undefined && lag <= 0)) continue;
      const where =
        cursor === undefined ? 'its cursor was never read' : `${lag} offsets wait behind ${cursor}`;
      problems.push({
        code: 'PARTITION_STUCK',
        subject: `${topic}/${partition}`,
        detail: `${where}, and nothing has moved for ${seconds(stillMs)} s`,
      });
    }
  }
  return { ready: problems.length === 0, problems };
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
