import type { LogPosition, PartitionPosition } from './log-position';

/** Something that keeps usage from being counted. */
export interface HealthProblem {
  readonly code:
    | 'PARTITION_STUCK'
    | 'PARTITION_UNREAD'
    | 'TRANSACTION_OPEN'
    | 'NO_CURSOR'
    | 'CURSOR_PAST_LOG_END'
    | 'LOOP_STOPPED'
    | 'STORE_AWAY'
    | 'LOG_UNSEEN'
    | 'LEDGER_UNSEEN'
    | 'REBUILD_UNFINISHED';
  /** `<topic>/<partition>`, a topic, or the store that is away. */
  readonly subject: string;
  readonly detail: string;
}

/** The body of `/readyz`. */
export interface Health {
  readonly ready: boolean;
  readonly problems: readonly HealthProblem[];
}

export interface HealthInput {
  /** How long ago each topic's consumer in this process last completed a turn of its loop. */
  readonly loops: readonly { readonly topic: string; readonly idleMs: number }[];
  /** Why Redis does not answer; undefined if it does. */
  readonly storeProblem: string | undefined;
  /** Every partition of the topics, whoever reads it; undefined while it cannot be read. */
  readonly position: Pick<LogPosition, 'partitions'> | undefined;
  /** Why the position cannot be read. */
  readonly positionProblem: string | undefined;
  /** The problem that the watch of the ledgers reports, in a process that shows them. */
  readonly ledgerProblem?: HealthProblem | undefined;
  /** A partition with lag that has not moved for this long is stuck. */
  readonly stuckAfterMs: number;
}

/**
 * A consumer's loop turns once per second, but waits up to its rebalance timeout (30 s) for other
 * members.
 */
export const LOOP_LIMIT_MS = 40_000;

/**
 * Finds what is wrong. Pure. It compares the ends of all partitions with the cursors in Redis
 * instead of relying on the consumers: a partition that nobody reads has no consumer to report it.
 */
export function checkHealth(input: HealthInput): Health {
  const { loops, storeProblem, position, positionProblem, ledgerProblem, stuckAfterMs } = input;
  const problems: HealthProblem[] = [];
  if (storeProblem !== undefined)
    problems.push({ code: 'STORE_AWAY', subject: 'Redis', detail: storeProblem });
  for (const { topic, idleMs } of loops) {
    if (idleMs <= LOOP_LIMIT_MS) continue;
    const detail = `the consumer's loop has not turned for ${seconds(idleMs)} s`;
    problems.push({ code: 'LOOP_STOPPED', subject: topic, detail });
  }
  if (position !== undefined)
    problems.push(...position.partitions.flatMap((one) => partitionProblem(one, stuckAfterMs) ?? []));
  else if (storeProblem === undefined) {
    const detail = `the ends of the logs cannot be compared with the cursors: ${positionProblem ?? 'not compared yet'}`;
    problems.push({ code: 'LOG_UNSEEN', subject: 'Kafka', detail });
  }
  if (ledgerProblem !== undefined && storeProblem === undefined) problems.push(ledgerProblem);
  return { ready: problems.length === 0, problems };
}

function partitionProblem(one: PartitionPosition, stuckAfterMs: number): HealthProblem | undefined {
  const { topic, partition, cursor, end, stable, stillMs, isRead } = one;
  const subject = `${topic}/${partition}`;
  if (cursor === undefined) {
    const detail = `Redis holds no cursor, and the log ends at ${end}: nothing of it is counted`;
    return end === 0 ? undefined : { code: 'NO_CURSOR', subject, detail };
  }
  if (stillMs <= stuckAfterMs) return undefined;
  if (cursor > end) {
    const detail = `the cursor is at ${cursor}, and the log ends at ${end}`;
    return { code: 'CURSOR_PAST_LOG_END', subject, detail };
  }
  if (cursor === end) return undefined;
  const waits = `${end - cursor} ${end - cursor === 1 ? 'offset waits' : 'offsets wait'} between the cursor, ${cursor}, and the log's end, ${end}`;
  const still = `nothing has moved for ${seconds(stillMs)} s`;
  if (cursor >= stable) {
    const detail = `${waits}: a transaction that began at ${stable} is open, and ${still}`;
    return { code: 'TRANSACTION_OPEN', subject, detail };
  }
  if (isRead === false)
    return { code: 'PARTITION_UNREAD', subject, detail: `${waits}: no consumer reads it, and ${still}` };
  return { code: 'PARTITION_STUCK', subject, detail: `${waits}, and ${still}` };
}

const seconds = (ms: number): number => Math.floor(ms / 1000);
