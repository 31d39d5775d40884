import { Counter, Gauge, type Registry } from 'prom-client';
import { processMetrics, type Readiness } from '../../lib/health-server';

/** What probes and scrapers see of the readings of LiveKit's nodes. */
export interface TransferProbes {
  readonly registry: Registry;
  /** Ready once every node was counted at its last reading. */
  readiness(): Readiness;
  /** @param problem why the node was not counted; undefined if it was */
  noteReading(address: string, problem: string | undefined): void;
}

/** @param addresses of the nodes' pages, without passwords */
export function createTransferProbes(addresses: readonly string[], nowMs: () => number): TransferProbes {
  const registry = processMetrics();
  const registers = [registry];
  const readings = new Counter({
    name: 'tallyman_livekit_transfer_readings_total',
    help: 'Readings of nodes by outcome: counted, failed',
    labelNames: ['outcome'],
    registers,
  });
  for (const outcome of ['counted', 'failed']) readings.inc({ outcome }, 0);
  const countedAt = new Gauge({
    name: 'tallyman_livekit_transfer_counted_timestamp_seconds',
    help: 'When a node was last counted; the start of the process if it never was',
    labelNames: ['address'],
    registers,
  });
  const problems = new Map<string, string>();
  for (const address of addresses) {
    problems.set(address, 'it was not read yet');
    countedAt.set({ address }, nowMs() / 1000);
  }
  return {
    registry,
    readiness: () => ({
      ready: problems.size === 0,
      problems: [...problems].map(([subject, detail]) => ({ code: 'NODE_NOT_COUNTED', subject, detail })),
    }),
    noteReading(address, problem) {
      readings.inc({ outcome: problem === undefined ? 'counted' : 'failed' });
      if (problem !== undefined) return void problems.set(address, problem);
      problems.delete(address);
      countedAt.set({ address }, nowMs() / 1000);
    },
  };
}
