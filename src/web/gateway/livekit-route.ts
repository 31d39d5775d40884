import type { FastifyInstance } from 'fastify';
import type { WebhookReceiver } from '../../livekit/receive-webhooks';
import { ProblemError } from '../http/problems';

/** Rooms of thousands come to some hundred KiB. */
const BODY_BYTES_MAX = 4 * 1_024 * 1_024;

/** `POST /livekit/webhooks`: signed by LiveKit, so no token is asked for, and no limit but the body's. */
export function registerLiveKitWebhooks(app: FastifyInstance, receiver: WebhookReceiver): void {
  app.register((scope, _, done) => {
    scope.removeAllContentTypeParsers();
    // Raw: the signature is over the bytes, and LiveKit's content type is one that no JSON parser looks for.
    const parser = { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX } as const;
    scope.addContentTypeParser('*', parser, (_request, body, parsed) => parsed(null, body));
    scope.route({
      method: 'POST',
      url: '/livekit/webhooks',
      bodyLimit: BODY_BYTES_MAX,
      config: { rateLimit: false },
      schema: { hide: true },
      handler: async (request, reply) => {
        const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
        const outcome = await receiver.receive(body, request.headers.authorization);
        if (outcome.status === 401) {
          request.log.warn({ problem: outcome.problem }, 'a webhook was refused');
          throw new ProblemError('UNAUTHENTICATED', `The signature is not LiveKit's: ${outcome.problem}.`);
        }
        if (outcome.status === 503) {
          throw new ProblemError('KAFKA_UNAVAILABLE', 'The webhook could not be kept: send it again.', {
            'retry-after': '1',
          });
        }
        return reply.code(200).send();
      },
    });
    done();
  });
}
