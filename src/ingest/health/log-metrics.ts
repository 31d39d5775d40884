import { Gauge, type Registry } from 'prom-client';
import type { Health } from './check-health';
import { behindOf, type LogPosition, type PartitionPosition } from './log-position';

/**
 * Metrics of every partition. Consumers report the partitions of their topics, and the server
 * reports all.
 */
export function registerLogMetrics(
  registry: Registry,
  position: () => LogPosition | undefined,
  health: () => Health,
): void {
  const registers = [registry];
  const byPartition = (name: string, help: string, of: (partition: PartitionPosition) => number): Gauge =>
    new Gauge({
      name,
      help,
      labelNames: ['topic', 'partition'],
      registers,
      collect() {
        this.reset();
        for (const one of position()?.partitions ?? [])
          this.set({ topic: one.topic, partition: one.partition }, of(one));
      },
    });
  byPartition('tallyman_log_end_offset', 'Offset that the next record will get', ({ end }) => end);
  byPartition('tallyman_cursor_offset', 'Next offset to apply', ({ cursor }) => cursor ?? 0);
  byPartition('tallyman_lag_events', 'Offsets published and not yet applied', behindOf);
  byPartition(
    'tallyman_lag_standing_seconds',
    'How long the cursor has not moved with something left to apply',
    ({ stillMs }) => stillMs / 1000,
  );
  byPartition(
    'tallyman_open_transaction_events',
    'Offsets that an open transaction holds back from the consumers',
    ({ end, stable }) => end - stable,
  );
  new Gauge({
    name: 'tallyman_problem',
    help: '1 for each problem that /readyz names',
    labelNames: ['code', 'subject'],
    registers,
    collect() {
      this.reset();
      for (const { code, subject } of health().problems) this.set({ code, subject }, 1);
    },
  });
}
