import { Gauge, type Registry } from 'prom-client';
import { processMetrics } from '../../lib/health-server';
import type { Difference } from '../compare/difference';
import type { FollowerStatus } from './follower';

export interface FollowerReading {
  readonly status: () => FollowerStatus;
  readonly countByKind: () => ReadonlyMap<Difference['kind'], number>;
}

const KINDS: readonly Difference['kind'][] = [
  ...(['total', 'daily', 'days_sum', 'not_listed', 'freeze', 'view', 'number', 'shards', 'cursor'] as const),
  'damaged',
  'invoice',
];

/** The metrics of `verify --follow`. docs/operating/monitor.md lists the names. */
export function createFollowerMetrics({ status, countByKind }: FollowerReading): Registry {
  const registry = processMetrics();
  const registers = [registry];
  new Gauge({
    name: 'tallyman_follow_differences',
    help: 'Differences between Redis and the log that exist now',
    labelNames: ['kind'],
    registers,
    collect() {
      const counts = countByKind();
      for (const kind of KINDS) this.set({ kind }, counts.get(kind) ?? 0);
    },
  });
  const gauge = (name: string, help: string, of: () => number | undefined): Gauge =>
    new Gauge({
      ...{ name, help, registers },
      collect() {
        const value = of();
        if (value !== undefined) this.set(value);
      },
    });
  gauge('tallyman_follow_lag_events', 'Offsets of the log that are not recounted yet', () => status().left);
  gauge('tallyman_follow_sweep_seconds', 'Time of the last comparison of everything', () => {
    const { sweepMs } = status();
    return sweepMs === undefined ? undefined : sweepMs / 1000;
  });
  gauge('tallyman_follow_swept_ago_seconds', 'Time since everything was last compared', () => {
    const { sweptAt } = status();
    return sweptAt === undefined ? undefined : (performance.now() - sweptAt) / 1000;
  });
  return registry;
}
