import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { WebDependencies } from './dependencies';
import type { ProblemError } from './problems';

export function registerPages(_app: FastifyInstance, _web: WebDependencies): void {}

export function sendProblemPage(
  _request: FastifyRequest,
  reply: FastifyReply,
  problem: ProblemError,
): FastifyReply {
  return reply.type('text/plain').send(problem.message);
}
