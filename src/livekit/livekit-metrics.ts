import { Counter, Gauge, type Registry } from 'prom-client';
import type { SignatureProblem } from './verify-signature';
import type { EndedBy } from './watch/watch';

/** The fate of a delivery: stored in Kafka or in the spool, refused, or to be sent again. */
export type DeliveryFate = 'kafka' | 'spool' | 'refused' | 'kept_nowhere';

export interface LiveKitMetrics {
  delivery(fate: DeliveryFate): void;
  refused(problem: SignatureProblem): void;
  /** @param outcome `usage`, the reason why there is none, or `malformed` */
  mapped(outcome: string): void;
  /** An unknown name. The name itself goes to the log, because senders must not choose labels. */
  unknown(field: string): void;
  unattributed(): void;
  damagedSpool(): void;
  /** Counts a session whose end never came. */
  endedBy(by: EndedBy): void;
}

export function createLiveKitMetrics(registry: Registry, spoolBytes: () => number): LiveKitMetrics {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, labelNames: L[]): Counter<L> =>
    new Counter({ name: `tallyman_livekit_${name}`, help, labelNames, registers });
  const deliveries = counter('deliveries_total', 'Webhooks by fate', ['fate']);
  const refused = counter('refused_total', 'Webhooks with an invalid signature, by cause', ['cause']);
  const mapped = counter('webhooks_mapped_total', 'Mapped webhooks by outcome', ['outcome']);
  const unknown = counter('unknown_total', 'Webhooks of an unknown kind, which are ignored', ['field']);
  const unattributed = counter('unattributed_total', 'Usages whose room belongs to no project', []);
  const damaged = counter('spool_damaged_total', 'Records of the spool that the disk damaged', []);
  const ended = counter('sessions_ended_total', 'Usages that were ended without a webhook, by cause', ['by']);
  for (const fate of ['kafka', 'spool', 'refused', 'kept_nowhere'] as const) deliveries.inc({ fate }, 0);
  for (const by of ['room_finished', 'watch', 'limit'] as const) ended.inc({ by }, 0);
  for (const outcome of ['usage', 'malformed']) mapped.inc({ outcome }, 0);
  for (const cause of ['unknown_key', 'wrong_signature'] as const) refused.inc({ cause }, 0);
  new Gauge({
    name: 'tallyman_livekit_spool_bytes',
    help: 'Webhooks on disk that are not in Kafka yet',
    registers,
    collect() {
      this.set(spoolBytes());
    },
  });
  return {
    delivery: (fate) => deliveries.inc({ fate }),
    refused: (cause) => refused.inc({ cause }),
    mapped: (outcome) => mapped.inc({ outcome }),
    unknown: (field) => unknown.inc({ field }),
    unattributed: () => unattributed.inc(),
    damagedSpool: () => damaged.inc(),
    endedBy: (by) => ended.inc({ by }),
  };
}
