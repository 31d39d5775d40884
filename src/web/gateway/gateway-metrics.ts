import { REJECTION_REASONS } from '../../../consumers/decode/rejection';
import { Counter, Gauge, type Registry } from 'prom-client';

/** The counters of a gateway's requests. */
export interface GatewayMetrics {
  accepted(events: number): void;
  rejected(reason: string): void;
  refused(why: 'full' | 'kafka_unavailable'): void;
}

/** @param waitingBytes the bytes that currently wait for Kafka's acknowledgement */
export function createGatewayMetrics(registry: Registry, waitingBytes: () => number): GatewayMetrics {
  const registers = [registry];
  const accepted = new Counter({
    name: 'tallyman_gateway_events_accepted_total',
    help: 'Events that Kafka acknowledged',
    registers,
  });
  const rejected = new Counter({
    name: 'tallyman_gateway_events_rejected_total',
    help: 'Events that were rejected, by reason',
    labelNames: ['reason'],
    registers,
  });
  const refused = new Counter({
    name: 'tallyman_gateway_requests_refused_total',
    help: 'Requests that have to be sent again, by cause: full, kafka_unavailable',
    labelNames: ['cause'],
    registers,
  });
  for (const reason of ['forbidden', ...REJECTION_REASONS]) rejected.inc({ reason }, 0);
  for (const cause of ['full', 'kafka_unavailable']) refused.inc({ cause }, 0);
  new Gauge({
    name: 'tallyman_gateway_waiting_bytes',
    help: 'Bytes of events that wait for the acknowledgement of Kafka',
    registers,
    collect() {
      this.set(waitingBytes());
    },
  });
  return {
    accepted: (events) => accepted.inc(events),
    rejected: (reason) => rejected.inc({ reason }),
    refused: (cause) => refused.inc({ cause }),
  };
}
