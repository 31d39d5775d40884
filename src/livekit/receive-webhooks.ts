import type { Logger } from '../lib/logger';
import type { LiveKitMetrics } from './livekit-metrics';
import type { Spool, SpooledRecord } from './spool';
import { signatureProblem, type ApiKeys, type SignatureProblem } from './verify-signature';

export interface ReceiverOptions {
  readonly keys: ApiKeys;
  /** Resolves once every in-sync copy of the log holds the records. */
  readonly publish: (records: readonly SpooledRecord[]) => Promise<void>;
  /** Keeps webhooks while Kafka is away; without one LiveKit is asked to send again, and gives up after 15 s. */
  readonly spool: Spool | undefined;
  readonly metrics: LiveKitMetrics;
  readonly logger: Logger;
  readonly nowSeconds: () => number;
}

/** LiveKit takes 400, 401 and 404 for delivered: they are for what is not LiveKit's, never for a fault of ours. */
export type ReceiveOutcome =
  | { readonly status: 200 }
  | { readonly status: 401; readonly problem: SignatureProblem }
  | { readonly status: 503 };

export interface WebhookReceiver {
  /** Keeps a webhook, then answers. */
  receive(body: Buffer, authorization: string | undefined): Promise<ReceiveOutcome>;
  /** Stops the hand-over of the spool; what is in it stays for the next start. */
  close(): Promise<void>;
}

/** A sender waits for the answer, and holds the room's other webhooks meanwhile: the disk is faster than a broker that is away. */
const KAFKA_PATIENCE_MS = 2_000;
const DRAIN_EVERY_MS = 1_000;

export function createWebhookReceiver(options: ReceiverOptions): WebhookReceiver {
  const { keys, publish, spool, metrics, logger, nowSeconds } = options;
  let draining: Promise<void> | undefined;
  /** While the spool holds anything new webhooks go behind it: a session's start is then read before its end. */
  const drain = async (): Promise<void> => {
    if (spool === undefined || spool.bytes === 0) return;
    try {
      const count = await spool.drain(publish);
      if (count > 0) logger.info({ count }, 'Kafka has the webhooks that the spool kept');
    } catch (error) {
      logger.warn(
        { err: error, bytes: spool.bytes },
        'the spool keeps its webhooks: Kafka does not acknowledge',
      );
    }
  };
  const timer = setInterval(() => {
    draining ??= drain().finally(() => (draining = undefined));
  }, DRAIN_EVERY_MS);
  timer.unref();

  const keep = async (record: SpooledRecord): Promise<'kafka' | 'spool' | 'kept_nowhere'> => {
    if (spool === undefined || spool.bytes === 0) {
      const published = publish([record]).then(
        () => true,
        () => false,
      );
      const inTime =
        spool === undefined ? published : Promise.race([published, after(KAFKA_PATIENCE_MS, false)]);
      // One that Kafka takes after all is in the log twice, and counts once.
      if (await inTime) return 'kafka';
    }
    if (spool === undefined) return 'kept_nowhere';
    try {
      return (await spool.append(record)) ? 'spool' : 'kept_nowhere';
    } catch (error) {
      logger.error({ err: error }, 'the spool cannot be written');
      return 'kept_nowhere';
    }
  };

  return {
    async receive(body, authorization) {
      const problem = signatureProblem(body, authorization, keys, nowSeconds());
      if (problem !== undefined) {
        metrics.delivery('refused');
        metrics.refused(problem);
        return { status: 401, problem };
      }
      const fate = await keep(recordOf(body));
      metrics.delivery(fate);
      return { status: fate === 'kept_nowhere' ? 503 : 200 };
    },
    async close() {
      clearInterval(timer);
      await draining;
      await spool?.close();
    },
  };
}

/** The webhook under the name of its room, without the room's TURN password: a secret that nobody needs here. */
function recordOf(body: Buffer): SpooledRecord {
  const text = body.toString('utf8');
  try {
    const webhook = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const withoutSecret = JSON.stringify(webhook, (name, value: unknown) =>
      name === 'turnPassword' ? undefined : value,
    );
    return { key: roomNameOf(webhook), value: withoutSecret };
  } catch {
    return { key: null, value: text }; // Signed, so it is LiveKit's: kept as it is and looked at by people.
  }
}

function roomNameOf(webhook: Readonly<Record<string, unknown>>): string | null {
  for (const [message, field] of [
    ['room', 'name'],
    ['egressInfo', 'roomName'],
    ['ingressInfo', 'roomName'],
  ] as const) {
    const name = (webhook[message] as Readonly<Record<string, unknown>> | undefined)?.[field];
    if (typeof name === 'string' && name !== '') return name;
  }
  return null;
}

function after<T>(ms: number, value: T): Promise<T> {
  return new Promise((resolve) => setTimeout(() => resolve(value), ms).unref());
}
