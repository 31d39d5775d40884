import type { FastifyInstance } from 'fastify';
import { pause } from '../../../lib/process/poller';
import { limitKeyOf } from '../rate-limit';

/** How long each refusal waits at least. */
const FIRST_AFTER_MS = 1_000;
/** A holder's refusals leave one by one. If all left together, all would be repeated together. */
const EVERY_MS = 5;
/** The last of them waits for 16 seconds. */
const WAITING_MAX = 3_000;

/** When the refusals of a holder are sent. */
export class PacedRefusals {
  private readonly holders = new Map<string, { waiting: number; lastAtMs: number }>();

  /**
   * How long a refusal has to wait; undefined if too many wait already. Call `end` after the wait.
   */
  begin(holder: string, nowMs: number): number | undefined {
    const own = this.holders.get(holder) ?? { waiting: 0, lastAtMs: -Infinity };
    if (own.waiting === WAITING_MAX) return undefined;
    this.holders.set(holder, own);
    own.waiting += 1;
    own.lastAtMs = Math.max(nowMs + FIRST_AFTER_MS, own.lastAtMs + EVERY_MS);
    return own.lastAtMs - nowMs;
  }

  end(holder: string): void {
    const own = this.holders.get(holder)!;
    own.waiting -= 1;
    if (own.waiting === 0) this.holders.delete(holder);
  }
}

/**
 * Sends at most 200 refusals per second to one holder, however many connections it has. A client
 * that ignores them would otherwise keep the server busy with refusals.
 */
export function registerPacedRefusals(app: FastifyInstance): void {
  const refusals = new PacedRefusals();
  app.addHook('onSend', async (request, reply) => {
    if (reply.statusCode !== 429) return;
    const holder = limitKeyOf(request);
    const ms = refusals.begin(holder, performance.now());
    if (ms === undefined) return void request.raw.destroy();
    await pause(ms);
    refusals.end(holder);
  });
}
