import { createHash } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { ProblemError } from '../problems';

/** Some 200 bytes each. */
const REMEMBERED_MAX = 10_000;

interface Refusal {
  readonly holder: string;
  readonly max: number;
  readonly untilMs: number;
}

/**
 * Whom the rate limit has refused, by the credential as it was sent. The same one is refused again
 * before its signature or its session is checked.
 */
export class RepeatedRefusals {
  private readonly known = new Map<string, Refusal>();

  /** Notes a refusal that ends after `ttlMs`. */
  note(request: FastifyRequest, holder: string, max: number, ttlMs: number): ProblemError {
    const refusal = { holder, max, untilMs: performance.now() + ttlMs };
    const name = nameOf(request);
    this.known.delete(name); // The oldest stand first.
    this.known.set(name, refusal);
    const [oldest] = this.known.keys();
    if (this.known.size > REMEMBERED_MAX) this.known.delete(oldest!);
    return problemOf(refusal);
  }

  /** The refusal of this credential on this route, and whom it counts for. */
  find(request: FastifyRequest): { readonly holder: string; readonly problem: ProblemError } | undefined {
    this.forgetEnded();
    if (this.known.size === 0) return undefined;
    const refusal = this.known.get(nameOf(request));
    if (refusal === undefined || refusal.untilMs <= performance.now()) return undefined;
    return { holder: refusal.holder, problem: problemOf(refusal) };
  }

  /** The oldest first. One that lasts keeps those behind it, until it has ended itself. */
  private forgetEnded(): void {
    for (const [name, { untilMs }] of this.known) {
      if (untilMs > performance.now()) return;
      this.known.delete(name);
    }
  }
}

function problemOf({ max, untilMs }: Refusal): ProblemError {
  const seconds = Math.max(1, Math.ceil((untilMs - performance.now()) / 1000));
  return new ProblemError('RATE_LIMITED', `Try again in ${seconds} seconds.`, {
    'retry-after': String(seconds),
    'x-ratelimit-limit': String(max),
    'x-ratelimit-remaining': '0',
    'x-ratelimit-reset': String(seconds),
  });
}

/** A route with a limit of its own counts alone. */
function nameOf({ method, routeOptions, ip, headers }: FastifyRequest): string {
  const route = routeOptions.config.rateLimit === undefined ? '' : `${method} ${routeOptions.url}`;
  const sent = JSON.stringify([route, ip, headers.authorization, headers.cookie]);
  return createHash('sha256').update(sent).digest('base64url');
}
