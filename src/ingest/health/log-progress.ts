import type { Logger } from '../../lib/logger';
import type { TopicConsumerStatus } from '../consumer';
import type { LogPosition } from './log-position';

export interface ProgressLogOptions {
  readonly logger: Logger;
  readonly statuses: () => readonly TopicConsumerStatus[];
  readonly position: () => LogPosition | undefined;
  /** Since the start, by reason. */
  readonly deadLetters: () => Readonly<Record<string, number>>;
  readonly everyMs?: number;
}

export interface ProgressLog {
  /** Logs what was done since the start. */
  stop(): void;
}

const EVERY_MS = 60_000;
const COUNTS = ['counted', 'duplicates', 'late', 'voided', 'rejected'] as const;

/** Logs one line per minute: what was applied in it, what waits, and what was rejected and why. */
export function logProgress(options: ProgressLogOptions): ProgressLog {
  const { logger, statuses, position, deadLetters, everyMs = EVERY_MS } = options;
  const startedAt = performance.now();
  let last = { at: startedAt, counts: sumOf(statuses()), reasons: deadLetters() };

  const timer = setInterval(() => {
    const now = { at: performance.now(), counts: sumOf(statuses()), reasons: deadLetters() };
    const counts = increase(now.counts, last.counts);
    const seconds = (now.at - last.at) / 1000;
    logger.info(
      {
        ...counts,
        countedPerSecond: Math.round(counts['counted']! / seconds),
        deadLetters: withoutZeros(increase(now.reasons, last.reasons)),
        // Unknown while Kafka or Redis does not answer.
        behind: position()?.behind,
        partitions: assignment(statuses()),
      },
      'progress',
    );
    last = now;
  }, everyMs);
  timer.unref();

  return {
    stop() {
      clearInterval(timer);
      const seconds = Math.round((performance.now() - startedAt) / 1000);
      logger.info({ seconds, ...sumOf(statuses()), deadLetters: deadLetters() }, 'stopped');
    },
  };
}

type Counts = Readonly<Record<string, number>>;

function sumOf(statuses: readonly TopicConsumerStatus[]): Counts {
  const sum = (name: (typeof COUNTS)[number]): number =>
    statuses.reduce((total, status) => total + status[name], 0);
  return Object.fromEntries(COUNTS.map((name) => [name, sum(name)]));
}

const increase = (now: Counts, before: Counts): Counts =>
  Object.fromEntries(Object.entries(now).map(([name, count]) => [name, count - (before[name] ?? 0)]));

const withoutZeros = (counts: Counts): Counts =>
  Object.fromEntries(Object.entries(counts).filter(([, count]) => count > 0));

const assignment = (statuses: readonly TopicConsumerStatus[]): Readonly<Record<string, number[]>> =>
  Object.fromEntries(
    statuses.map(({ topic, partitions }) => [topic, partitions.map(({ partition }) => partition)]),
  );
