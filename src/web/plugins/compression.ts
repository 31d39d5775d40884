import compress from '@fastify/compress';
import type { FastifyInstance } from 'fastify';

/**
 * Sends text as brotli or gzip. Streams of events pack themselves: see `event-stream.ts`.
 *
 * The length of a compressed answer depends on how much of it repeats. So a secret could be guessed
 * if it stood beside a text that an attacker chooses (BREACH). The only secret in an answer is the
 * proof of forms, which has a new mask each time: see `csrf-token.ts`. Call this before the routes
 * are registered.
 */
export async function registerCompression(app: FastifyInstance): Promise<void> {
  // The gateway unpacks requests by itself, with a limit.
  await app.register(compress, { encodings: ['br', 'gzip'], globalDecompression: false });
  app.addHook('onRoute', (route) => {
    const hooks = route.onSend ?? [];
    route.onSend = [
      ...(Array.isArray(hooks) ? hooks : [hooks]),
      // RFC 9110: the bytes differ by the encoding, and the meaning does not.
      (_request, reply, payload, done) => {
        const tag = reply.getHeader('etag');
        if (typeof tag === 'string' && !tag.startsWith('W/') && reply.hasHeader('content-encoding'))
          void reply.header('etag', `W/${tag}`);
        done(null, payload);
      },
    ];
  });
}
