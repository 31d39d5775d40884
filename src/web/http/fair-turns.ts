import type { FastifyInstance } from 'fastify';
import { pause } from '../../lib/process/poller';
import { limitKeyOf } from './rate-limit';

declare module 'fastify' {
  interface FastifyRequest {
    /** Lets the next request of this holder begin: what follows keeps this server little busy. */
    endTurn: () => void;
  }
}

/** How many requests of one holder are handled at a time. */
const REQUESTS_AT_ONCE = 2;
/** Whoever asks on and on although refused would otherwise keep the server busy with refusals. */
const REFUSED_AFTER_MS = 1_000;

/** Lets every holder do a few things at a time. What a holder asks for beyond that waits alone. */
export class FairTurns {
  private readonly holders = new Map<string, { running: number; readonly waiting: (() => void)[] }>();

  constructor(private readonly atOnce: number) {}

  /**
   * Resolves when it is the caller's turn, with a function that ends the turn. Calling it twice is
   * harmless.
   */
  async take(holder: string): Promise<() => void> {
    const own = this.holders.get(holder) ?? { running: 0, waiting: [] };
    this.holders.set(holder, own);
    if (own.running < this.atOnce) own.running += 1;
    else await new Promise<void>((resolve) => own.waiting.push(resolve));
    let hasEnded = false;
    return () => {
      if (hasEnded) return;
      hasEnded = true;
      const next = own.waiting.shift();
      if (next !== undefined) return next();
      own.running -= 1;
      if (own.running === 0) this.holders.delete(holder);
    };
  }
}

/**
 * Keeps one holder from filling the event loop. Only a few of its requests are handled at a time,
 * from the check of their project until their answer is ready, and it waits for its refusals.
 */
export function registerFairTurns(app: FastifyInstance): void {
  const turns = new FairTurns(REQUESTS_AT_ONCE);
  app.decorateRequest('endTurn', () => undefined);
  app.addHook('preHandler', async (request, reply) => {
    // Files in memory, and webhooks, which LiveKit signs and sends from one address.
    if (request.routeOptions.config.rateLimit === false) return;
    const end = await turns.take(limitKeyOf(request));
    request.endTurn = end;
    reply.raw.once('close', end);
    if (!reply.raw.destroyed) return;
    end(); // The reader left while this request waited.
    return reply.hijack();
  });
  app.addHook('onSend', async (request, reply) => {
    request.endTurn();
    if (reply.statusCode === 429) await pause(REFUSED_AFTER_MS);
  });
}
