import type { FastifyInstance } from 'fastify';
import { within } from '../../lib/process/poller';
import { ProblemError } from './problems';
import { limitKeyOf } from './rate-limit';

declare module 'fastify' {
  interface FastifyRequest {
    /** Lets the next request of this holder begin: what follows is little work. */
    endTurn: () => void;
  }
}

/** How many requests of one holder are handled at a time. */
const REQUESTS_AT_ONCE = 2;
/** What a request without a body takes while it waits, with its connection. */
const REQUEST_BYTES = 64 * 1024;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Whoever has waited gives way to the requests of others that are running, but not for longer. */
const GIVES_WAY_MS = 100;

interface Holder {
  running: number;
  readonly waiting: (() => void)[];
  waitingBytes: number;
}

/** Lets every holder do a few things at a time. What a holder asks for beyond that waits alone. */
export class FairQueue {
  private readonly holders = new Map<string, Holder>();
  private readonly running = new Set<{ readonly holder: string; readonly ended: Promise<void> }>();

  constructor(private readonly atOnce: number) {}

  /** Whether something of this size may wait for its turn. */
  hasRoom(holder: string, bytes: number): boolean {
    return (this.holders.get(holder)?.waitingBytes ?? 0) + bytes <= WAITING_BYTES_MAX;
  }

  /**
   * Resolves when it is the caller's turn, with a function that ends the turn. Calling it twice is
   * harmless.
   */
  async take(holder: string, bytes = 0): Promise<() => void> {
    const own = this.holders.get(holder) ?? { running: 0, waiting: [], waitingBytes: 0 };
    this.holders.set(holder, own);
    if (own.running < this.atOnce) own.running += 1;
    else {
      own.waitingBytes += bytes;
      await new Promise<void>((resolve) => own.waiting.push(resolve));
      own.waitingBytes -= bytes;
    }
    let noteEnd: () => void;
    const turn = { holder, ended: new Promise<void>((resolve) => (noteEnd = resolve)) };
    this.running.add(turn);
    return () => {
      if (!this.running.delete(turn)) return;
      noteEnd();
      void this.passOn(holder, own);
    };
  }

  private async passOn(holder: string, own: Holder): Promise<void> {
    if (own.waiting.length > 0) await this.giveWay(holder);
    const next = own.waiting.shift();
    if (next !== undefined) return next();
    own.running -= 1;
    if (own.running === 0) this.holders.delete(holder);
  }

  /** Waits for what others are running now. What they begin later is not waited for. */
  private async giveWay(holder: string): Promise<void> {
    const others = [...this.running].filter((turn) => turn.holder !== holder);
    if (others.length > 0) await within(GIVES_WAY_MS, Promise.all(others.map(({ ended }) => ended)));
  }
}

/**
 * Keeps one holder from filling the event loop. Only a few of its requests are handled at a time,
 * from the check of their project until their answer is ready.
 */
export function registerFairQueue(app: FastifyInstance): void {
  const turns = new FairQueue(REQUESTS_AT_ONCE);
  app.decorateRequest('endTurn', () => undefined);
  app.addHook('preHandler', async (request, reply) => {
    // Files in memory, and webhooks, which LiveKit signs and sends from one address.
    if (request.routeOptions.config.rateLimit === false) return;
    const holder = limitKeyOf(request);
    const bytes = REQUEST_BYTES + (Buffer.isBuffer(request.body) ? request.body.length : 0);
    if (!turns.hasRoom(holder, bytes))
      throw new ProblemError('RATE_LIMITED', 'Too many requests are waiting.', { 'retry-after': '1' });
    const end = await turns.take(holder, bytes);
    request.endTurn = end;
    reply.raw.once('close', end);
    if (!reply.raw.destroyed) return;
    end(); // The reader left while this request waited.
    return reply.hijack();
  });
  app.addHook('onSend', (request, _reply, payload, done) => {
    request.endTurn();
    done(null, payload);
  });
}
