import type { FastifyInstance } from 'fastify';
import type { WebhookReceiver } from '../../livekit/receive-webhooks';
import { ProblemError } from '../http/problems';

/** A webhook of a room with thousands of participants has some hundred KiB. */
const BODY_BYTES_MAX = 4 * 1_024 * 1_024;

/**
 * `POST /livekit/webhooks` needs no token, because LiveKit signs the body. Only the size of the
 * body is limited.
 */
export function registerLiveKitWebhooks(app: FastifyInstance, receiver: WebhookReceiver): void {
  app.register((scope, _, done) => {
    scope.removeAllContentTypeParsers();
    // The body stays bytes: the signature covers them, and JSON parsers do not recognize LiveKit's
    // content type.
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
    done();
  });
}
