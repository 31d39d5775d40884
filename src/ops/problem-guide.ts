import type { HealthProblem } from '../ingest/health/check-health';

export interface ProblemGuide {
  readonly title: string;
  /** What it means for the totals. */
  readonly meaning: string;
  /** What to do. Commands are in backticks. */
  readonly remedy: string;
}

/** What each problem means, for people. docs/operating/monitor.md has the same codes. */
export const PROBLEM_GUIDE: Readonly<Record<HealthProblem['code'], ProblemGuide>> = {
  PARTITION_UNREAD: {
    title: 'Nobody reads a partition',
    meaning: 'Its events wait in Kafka and are counted once a consumer reads it. Nothing is lost.',
    remedy: 'Start consumers for the topic: `tallyman consume`.',
  },
  PARTITION_STUCK: {
    title: 'A partition is stuck',
    meaning: 'A consumer is assigned to it, and does not move on. Its events wait in Kafka.',
    remedy: "Read that consumer's log. Check that all consumers have the same `REDIS_URL`.",
  },
  TRANSACTION_OPEN: {
    title: "A producer's transaction is open",
    meaning: 'Kafka hides all events behind the start of a transaction until it ends.',
    remedy: 'Run `tallyman doctor`, which prints the command that aborts it.',
  },
  NO_CURSOR: {
    title: 'A partition has no cursor',
    meaning: 'Nothing of it is counted.',
    remedy: 'After adding partitions, run `tallyman init`. If Redis was emptied, run `tallyman rebuild`.',
  },
  CURSOR_PAST_LOG_END: {
    title: 'The log is shorter than its cursor',
    meaning: 'The topic was recreated, or Kafka lost its end. New events would not be counted.',
    remedy: 'Run `tallyman doctor`. Restore the topic, or follow "The log lost events" in the documentation.',
  },
  LOOP_STOPPED: {
    title: 'A consumer has stopped turning',
    meaning: 'The events of its partitions wait in Kafka. Its process exits after six minutes.',
    remedy: 'Wait for the restart, or restart it, and read its log.',
  },
  STORE_AWAY: {
    title: 'Redis does not answer',
    meaning: 'Nothing is counted or shown until it answers. Nothing is lost.',
    remedy: 'Check Redis, and the network between it and this server.',
  },
  LOG_UNSEEN: {
    title: 'Kafka does not answer',
    meaning: 'The lag is unknown. Events that producers cannot publish wait with them.',
    remedy: 'Check Kafka, and the network between it and this server.',
  },
  LEDGER_UNSEEN: {
    title: 'A ledger cannot be followed',
    meaning: 'Plans, closes and invoices on these pages may be old.',
    remedy: 'Run `tallyman doctor`, which names the cause and the remedy.',
  },
  REBUILD_UNFINISHED: {
    title: 'Redis is being rebuilt',
    meaning: 'Totals are incomplete, so none are shown.',
    remedy: 'Wait for the rebuild. If it was stopped, run `tallyman rebuild` again, which continues it.',
  },
};
