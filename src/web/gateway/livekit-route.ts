import type { FastifyInstance } from 'fastify';
import type { WebhookReceiver } from '../../livekit/receive-webhooks';
import { ProblemError } from '../http/problems';
import { BODY_BYTES_MAX, withRawBodies } from './raw-bodies';

/**
 * `POST /livekit/webhooks` needs no token, because LiveKit signs the body. Only the size of the
 * body is limited.
 */
export function registerLiveKitWebhooks(app: FastifyInstance, receiver: WebhookReceiver): void {
  withRawBodies(app, (scope) => {
    scope.route({
      method: 'POST',
      url: '/livekit/webhooks',
      bodyLimit: BODY_BYTES_MAX,
      config: { rateLimit: false },
      // The address is written in LiveKit's configuration, and a webhook that is refused is lost.
      schema: { hide: true, querystring: { type: 'object', additionalProperties: true } },
      handler: async (request, reply) => {
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const outcome = await receiver.receive(body, request.headers.authorization);
        if (outcome.status === 401) {
          request.log.warn({ problem: outcome.problem }, 'webhook refused');
          throw new ProblemError('UNAUTHENTICATED', `The signature is not LiveKit's: ${outcome.problem}.`);
        }
        if (outcome.status === 503) {
          throw new ProblemError('KAFKA_UNAVAILABLE', 'The webhook could not be stored. Send it again.', {
            'retry-after': '1',
          });
        }
        return reply.code(200).send();
      },
    });
  });
}
