import type { FastifyInstance, FastifyReply } from 'fastify';

const METHODS = 'GET, HEAD, POST';
const SENT_HEADERS =
  /^(authorization|content-type|content-encoding|if-none-match|prefer|traceparent|ce-[a-z0-9]+)$/i;
const SHOWN_HEADERS = 'Content-Disposition, ETag, Link, Retry-After';
const PREFLIGHT_KEPT_S = 600;

/**
 * Lets scripts of other origins use the API, if the origin is one of those that are set. They send
 * a bearer token. No answer allows credentials, so a page elsewhere never uses the cookie of a
 * session.
 */
export function registerCors(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return;
  app.addHook('onRequest', (request, reply, done) => {
    const { origin, 'access-control-request-headers': wanted = '' } = request.headers;
    if (!isApi(request.url)) return done();
    addVary(reply);
    if (origin === undefined || !origins.includes(origin)) return done();
    void reply.header('access-control-allow-origin', origin);
    if (request.method !== 'OPTIONS') {
      void reply.header('access-control-expose-headers', SHOWN_HEADERS);
      return done();
    }
    const allowed = String(wanted)
      .split(',')
      .map((name) => name.trim())
      .filter((name) => SENT_HEADERS.test(name));
    void reply
      .code(204)
      .headers({
        'access-control-allow-methods': METHODS,
        'access-control-allow-headers': allowed.join(', '),
        'access-control-max-age': PREFLIGHT_KEPT_S,
      })
      .send();
  });
  // Repeated at the end, because an answer with a tag replaces the header.
  app.addHook('onSend', (request, reply, payload, done) => {
    if (isApi(request.url)) addVary(reply);
    done(null, payload);
  });
}

const isApi = (url: string): boolean => /^\/(v1\/|openapi\.json)/.test(url);

function addVary(reply: FastifyReply): void {
  const held = String(reply.getHeader('vary') ?? '');
  if (!/\borigin\b/i.test(held)) void reply.header('vary', held === '' ? 'Origin' : `${held}, Origin`);
}
