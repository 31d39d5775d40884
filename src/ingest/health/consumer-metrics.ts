import { REJECTION_REASONS } from '../../../consumers/decode/rejection';
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { processMetrics } from '../../lib/health-server';
import type { RejectedRecord } from '../../dead-letters/dead-letter';
import type { TopicConsumerStatus } from '../consumer';
import type { Health } from './check-health';
import type { LogPosition } from './log-position';
import { registerLogMetrics } from './log-metrics';

export interface ConsumerMetrics {
  readonly registry: Registry;
  /** Called for each chunk, applied or refused. */
  readonly observeApply: (topic: string, durationMs: number) => void;
  /** Events that were published at this time are now in the totals. */
  readonly observeDelay: (topic: string, publishedAtMs: number) => void;
  readonly observeDeadLetters: (letters: readonly RejectedRecord[]) => void;
  /** Dead letters since the start, by reason. */
  deadLettersByReason(): Readonly<Record<string, number>>;
}

const APPLY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const DELAY_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800];

/**
 * The metrics of a consumer process: its own counts, and all partitions of its topics.
 * docs/operating/monitor.md lists the names.
 */
export function createConsumerMetrics(
  statuses: () => readonly TopicConsumerStatus[],
  health: () => Health,
  position: () => LogPosition | undefined,
  nowMs: () => number,
): ConsumerMetrics {
  const registry = processMetrics();
  const registers = [registry];

  registerRunnerCounts(registry, statuses);
  registerReady(registry, health);
  registerLogMetrics(registry, position, health);

  const deadLetters = new Counter({
    name: 'tallyman_dead_letters_total',
    help: 'Events published to usage.dead-letters',
    labelNames: ['topic', 'reason'],
    registers,
    // Born at zero: an increase is only seen from one value to the next.
    collect() {
      for (const { topic } of statuses())
        for (const reason of REJECTION_REASONS) this.inc({ topic, reason }, 0);
    },
  });
  const apply = new Histogram({
    name: 'tallyman_apply_duration_seconds',
    help: 'Time of one chunk in Redis, there and back',
    labelNames: ['topic'],
    buckets: APPLY_SECONDS,
    registers,
  });
  const delay = new Histogram({
    name: 'tallyman_event_delay_seconds',
    help: "From a record's timestamp to its place in the totals, of the oldest record of each chunk",
    labelNames: ['topic'],
    buckets: DELAY_SECONDS,
    registers,
  });

  const byReason = new Map<string, number>();
  return {
    registry,
    observeApply: (topic, durationMs) => apply.observe({ topic }, durationMs / 1000),
    observeDelay: (topic, publishedAtMs) =>
      delay.observe({ topic }, Math.max(0, nowMs() - publishedAtMs) / 1000),
    observeDeadLetters(letters) {
      for (const { topic, rejection } of letters) {
        deadLetters.inc({ topic, reason: rejection.reason });
        byReason.set(rejection.reason, (byReason.get(rejection.reason) ?? 0) + 1);
      }
    },
    deadLettersByReason: () => Object.fromEntries(byReason),
  };
}

function registerRunnerCounts(registry: Registry, statuses: () => readonly TopicConsumerStatus[]): void {
  const counted = (name: string, help: string, of: (status: TopicConsumerStatus) => number): Counter =>
    new Counter({
      name,
      help,
      labelNames: ['topic'],
      registers: [registry],
      // The runners do the counting.
      collect() {
        this.reset();
        for (const status of statuses()) this.inc({ topic: status.topic }, of(status));
      },
    });
  counted('tallyman_events_counted_total', 'Events counted', ({ counted: count }) => count);
  counted('tallyman_events_duplicate_total', 'Duplicates of counted events', ({ duplicates }) => duplicates);
  counted('tallyman_events_late_total', 'Counted events of a closed month', ({ late }) => late);
  counted('tallyman_events_voided_total', 'Counted events that were taken back', ({ voided }) => voided);
  counted(
    'tallyman_voids_unknown_total',
    'Voids of events that were not counted',
    ({ unknownVoids }) => unknownVoids,
  );
}

function registerReady(registry: Registry, health: () => Health): void {
  new Gauge({
    name: 'tallyman_ready',
    help: '1 while /readyz answers 200, else 0',
    registers: [registry],
    collect() {
      this.set(health().ready ? 1 : 0);
    },
  });
}
