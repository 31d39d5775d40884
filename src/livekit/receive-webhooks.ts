import type { Logger } from '../lib/logger';
import { repeat, within } from '../lib/process/poller';
import type { LiveKitMetrics } from './livekit-metrics';
import type { Spool } from './spool';
import type { SpooledRecord } from './spool-files';
import { signatureProblem, type ApiKeys, type SignatureProblem } from './verify-signature';

export interface ReceiverOptions {
  readonly keys: ApiKeys;
  /** Resolves once every in-sync replica of the log holds the records. */
  readonly publish: (records: readonly SpooledRecord[]) => Promise<void>;
  /**
   * Keeps webhooks while Kafka is away. Without a spool, LiveKit has to send them again, and gives
   * up after 15 s.
   */
  readonly spool: Spool | undefined;
  readonly metrics: LiveKitMetrics;
  readonly logger: Logger;
  readonly nowSeconds: () => number;
}

/**
 * LiveKit does not retry after 400, 401 and 404, so these are never used for a fault of this
 * server.
 */
export type ReceiveOutcome =
  | { readonly status: 200 }
  | { readonly status: 401; readonly problem: SignatureProblem }
  | { readonly status: 503 };

export interface WebhookReceiver {
  /** Stores a webhook, then answers. */
  receive(body: Buffer, authorization: string | undefined): Promise<ReceiveOutcome>;
  /** Stops handing over the spool. Its content stays for the next start. */
  close(): Promise<void>;
}

/**
 * The sender waits for the answer, and holds back the room's other webhooks meanwhile. The disk is
 * faster than a broker that is away.
 */
const KAFKA_PATIENCE_MS = 2_000;
const DRAIN_EVERY_MS = 1_000;
/** With the first anybody relays through LiveKit, with the second anybody sends to the ingress. */
const SECRETS = new Set(['turnPassword', 'streamKey']);

export function createWebhookReceiver(options: ReceiverOptions): WebhookReceiver {
  const { keys, publish, spool, metrics, logger, nowSeconds } = options;
  /**
   * While the spool holds anything, new webhooks are appended to it, so that a session's start is
   * read before its end.
   */
  const drains =
    spool &&
    repeat({
      everyMs: DRAIN_EVERY_MS,
      async turn() {
        if (spool.bytes === 0) return;
        const count = await spool.drain(publish);
        if (count > 0) logger.info({ count }, 'the spool is empty: Kafka has its webhooks');
      },
      onFailure: (error, isFirst) =>
        isFirst &&
        logger.warn(
          { err: error, bytes: spool.bytes },
          'Kafka does not acknowledge; webhooks stay in the spool',
        ),
    });

  const keep = async (record: SpooledRecord): Promise<'kafka' | 'spool' | 'kept_nowhere'> => {
    if (spool === undefined || spool.bytes === 0) {
      const published = publish([record]).then(
        () => true,
        () => false,
      );
      const inTime = spool === undefined ? published : within(KAFKA_PATIENCE_MS, published);
      // If Kafka accepts the webhook after all, it is in the log twice and counts once.
      if (await inTime) return 'kafka';
    }
    if (spool === undefined) return 'kept_nowhere';
    try {
      return (await spool.append(record)) ? 'spool' : 'kept_nowhere';
    } catch (error) {
      logger.error({ err: error }, 'cannot write to the spool');
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
      await drains?.stop();
      await spool?.close();
    },
  };
}

/**
 * The webhook, keyed by the name of its room, without its secrets.
 */
function recordOf(body: Buffer): SpooledRecord {
  const text = body.toString('utf8');
  try {
    const webhook = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const withoutSecrets = JSON.stringify(webhook, (name, value: unknown) =>
      SECRETS.has(name) ? undefined : value,
    );
    return { key: roomNameOf(webhook), value: withoutSecrets };
  } catch {
    return { key: null, value: text }; // It is signed, so it is from LiveKit. It is stored as it is, for people to check.
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
