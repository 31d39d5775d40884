import { setTimeout as delay } from 'node:timers/promises';
import { signatureOf } from '../../kit/usage/livekit-webhooks';

/** What LiveKit does with a webhook in the end. */
export type Fate =
  | 'answered'
  /** Five tries in 15 s, none of them answered well. */
  | 'gave_up'
  /** It waited for more than 30 s behind others of its room, or 200 others waited. */
  | 'dropped';

/**
 * Sends webhooks as LiveKit's own notifier does (protocol `webhook/resource_url_notifier.go`): one
 * queue and one sender for each room; a connection error, 429 and 5xx are tried again after 1, 2, 4
 * and 8 s with the same bytes and the same token; at its turn, an event that is older than 30 s is
 * dropped, and so is the one that finds 200 in the queue.
 */
export interface Notifier {
  queue(room: string, id: string, body: string): void;
  /** Webhook id -> what became of it; those that still wait have none. */
  readonly fates: ReadonlyMap<string, Fate>;
  /** How many tries were answered with 503. */
  readonly refusals: number;
  /** Resolves when no webhook waits any more. */
  drained(): Promise<void>;
}

const RETRY_WAITS_MS = [1_000, 2_000, 4_000, 8_000];
const MAX_AGE_MS = 30_000;
const MAX_DEPTH = 200;

export function createNotifier(url: string): Notifier {
  const queues = new Map<string, { id: string; body: string; queuedAt: number }[]>();
  const senders = new Set<Promise<void>>();
  const fates = new Map<string, Fate>();
  let refusals = 0;

  const isAnswered = async (body: string, authorization: string): Promise<boolean> => {
    const answer = await fetch(`${url}/livekit/webhooks`, {
      ...{ method: 'POST', body },
      headers: { authorization, 'content-type': 'application/webhook+json' },
    }).catch(() => undefined);
    if (answer?.status === 503) refusals += 1;
    await answer?.arrayBuffer().catch(() => undefined);
    return answer !== undefined && answer.status !== 429 && answer.status < 500;
  };
  const fateOf = async (body: string): Promise<Fate> => {
    const authorization = signatureOf(body);
    for (let attempt = 0; ; attempt += 1) {
      if (await isAnswered(body, authorization)) return 'answered';
      const wait = RETRY_WAITS_MS[attempt];
      if (wait === undefined) return 'gave_up';
      await delay(wait);
    }
  };
  const sendAll = async (waiting: { id: string; body: string; queuedAt: number }[]): Promise<void> => {
    for (;;) {
      const [next] = waiting;
      if (next === undefined) return;
      const isOld = performance.now() - next.queuedAt > MAX_AGE_MS;
      fates.set(next.id, isOld ? 'dropped' : await fateOf(next.body));
      waiting.shift();
    }
  };

  return {
    fates,
    get refusals() {
      return refusals;
    },
    queue(room, id, body) {
      const waiting = queues.get(room) ?? [];
      queues.set(room, waiting);
      if (waiting.length >= MAX_DEPTH) return void fates.set(id, 'dropped');
      waiting.push({ id, body, queuedAt: performance.now() });
      if (waiting.length > 1) return;
      const sender = sendAll(waiting).finally(() => senders.delete(sender));
      senders.add(sender);
    },
    async drained() {
      while (senders.size > 0) await Promise.all(senders);
    },
  };
}
