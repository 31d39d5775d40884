import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RepeatedRefusals } from './refusals/repeated-refusals';
import { holderOf } from './tokens';

declare module 'fastify' {
  interface FastifyRequest {
    /** What `limitKeyOf` has found. */
    limitKey: string | undefined;
  }
}

/**
 * Requests per minute for one subject with the same projects, or for one address without a valid
 * token. Each process counts for itself.
 */
const LIMIT = { max: 600, timeWindow: 60_000 };
/** A program that admits sessions asks for every new one. */
export const QUOTA_LIMIT = { max: 60_000, timeWindow: 60_000 };
/**
 * A gateway's real limit is what waits for Kafka. This one only keeps a broken client from using
 * all of it.
 */
export const EVENTS_LIMIT = { max: 60_000, timeWindow: 60_000 };
/** Guessing a token is hopeless, and this keeps anybody from trying. */
export const LOGIN_LIMIT = { max: 30, timeWindow: 60_000 };

/**
 * Counts requests, and refuses those over the limit. Call it before the sessions are registered,
 * because whoever was refused is refused again before anything of a request is checked.
 */
export async function registerRateLimit(app: FastifyInstance): Promise<void> {
  const refusals = new RepeatedRefusals();
  app.decorateRequest('limitKey', undefined);
  app.addHook('onRequest', (request, _reply, done) => {
    const isCounted = request.routeOptions.config.rateLimit !== false;
    const refusal = isCounted ? refusals.find(request) : undefined;
    request.limitKey = refusal?.holder;
    done(refusal?.problem);
  });
  await app.register(rateLimit, {
    ...LIMIT,
    keyGenerator: limitKeyOf,
    errorResponseBuilder: (request, { max, ttl }) => refusals.note(request, limitKeyOf(request), max, ttl),
  });
  // The plugin counts routes only.
  const count = app.rateLimit();
  app.addHook('preParsing', async (request, reply) => {
    if (request.is404) await count.call(app, request, reply);
  });
}

/**
 * Whom a request counts for. An invalid token counts for its address: otherwise every guess would
 * have a limit of its own.
 */
export function limitKeyOf(request: FastifyRequest): string {
  const answer = request.tokenAnswer;
  request.limitKey ??= answer?.ok === true ? `token ${holderOf(answer.session)}` : request.ip;
  return request.limitKey;
}
