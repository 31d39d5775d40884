import { createHash } from 'node:crypto';
import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problems';

/** What one token, or one address without a good token, may ask for. Each process counts for itself. */
const LIMIT = { max: 600, timeWindow: 60_000 };
/** A gatekeeper asks for every new session. */
export const QUOTA_LIMIT = { max: 60_000, timeWindow: 60_000 };
/** A gateway's limit is what waits for Kafka; this one only keeps a broken client from taking all of it. */
export const EVENTS_LIMIT = { max: 60_000, timeWindow: 60_000 };
/** Guessing a token is hopeless; this keeps it from being tried. */
export const LOGIN_LIMIT = { max: 30, timeWindow: 60_000 };

export async function registerRateLimit(app: FastifyInstance): Promise<void> {
  await app.register(rateLimit, {
    ...LIMIT,
    keyGenerator: keyOf,
    errorResponseBuilder: (_request, { after }) =>
      new ProblemError('RATE_LIMITED', `Come again in ${after}.`),
    allowList: (request) => ['/healthz', '/readyz', '/metrics'].includes(request.routeOptions.url ?? ''),
  });
}

/** A token that is not good counts for its address: else every guess would have a limit of its own. */
function keyOf(request: FastifyRequest): string {
  const answer = request.tokenAnswer;
  if (answer?.ok !== true) return request.ip;
  return `token ${createHash('sha256').update(answer.session.subject).digest('base64url')}`;
}
