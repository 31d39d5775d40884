import type { FastifyInstance } from 'fastify';

/**
 * The limit of a request's body: 1,000 events, or a webhook of a room with thousands of
 * participants.
 */
export const BODY_BYTES_MAX = 4 * 1_024 * 1_024;

/**
 * Registers a route whose body stays bytes: events are published as they came, and signatures cover
 * the bytes.
 */
export function withRawBodies(app: FastifyInstance, register: (scope: FastifyInstance) => void): void {
  app.register((scope, _, done) => {
    scope.removeAllContentTypeParsers();
    const parser = { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX } as const;
    scope.addContentTypeParser('*', parser, (_request, body, parsed) => parsed(null, body));
    register(scope);
    done();
  });
}
