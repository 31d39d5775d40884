import rateLimit from '@fastify/rate-limit';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { ProblemError } from './problems';
import { holderOf } from './tokens';

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

export async function registerRateLimit(app: FastifyInstance): Promise<void> {
  await app.register(rateLimit, {
    ...LIMIT,
    keyGenerator: limitKeyOf,
    errorResponseBuilder: (_request, { after }) => new ProblemError('RATE_LIMITED', `Try again in ${after}.`),
  });
}

/**
 * Whom a request counts for. An invalid token counts for its address: otherwise every guess would
 * have a limit of its own.
 */
export function limitKeyOf(request: FastifyRequest): string {
  const answer = request.tokenAnswer;
  if (answer?.ok !== true) return request.ip;
  return `token ${holderOf(answer.session)}`;
}
