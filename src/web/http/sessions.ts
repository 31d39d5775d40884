import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readCookie, writeCookie } from './cookies';
import type { WebDependencies } from './dependencies';
import { ProblemError } from './problems';
import { roleOf, type Role, type Session, type TokenAnswer } from './tokens';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request's token says; undefined: it has none. */
    tokenAnswer: TokenAnswer | undefined;
    /** What a form of this session must carry; empty without a session. */
    formProof: string;
  }
}

const COOKIE = 'tallyman_session';
/** A browser takes a cookie of this name only with Secure, from the host itself, for all of it. */
const SECURE_COOKIE = `__Host-${COOKIE}`;

/** Reads who is asking before any route runs: from the bearer token if there is one, else from the cookie. */
export function registerSessions(
  app: FastifyInstance,
  { tokens, authSecret }: Pick<WebDependencies, 'tokens' | 'authSecret'>,
): void {
  app.decorateRequest('tokenAnswer', undefined);
  app.decorateRequest('formProof', '');
  app.addHook('onRequest', (request, _reply, done) => {
    const authorization = request.headers.authorization;
    const bearer = authorization === undefined ? undefined : /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1];
    if (authorization !== undefined) {
      request.tokenAnswer = bearer === undefined ? { ok: false, reason: 'invalid' } : tokens.verify(bearer);
      return done();
    }
    const cookie = readCookie(request, SECURE_COOKIE) ?? readCookie(request, COOKIE);
    if (cookie === undefined) return done();
    request.tokenAnswer = tokens.verify(cookie);
    request.formProof = formProofOf(authSecret, cookie);
    done();
  });
}

/** The session of a request.
 * @throws ProblemError 401 without a good token */
export function sessionOf(request: FastifyRequest): Session {
  const answer = request.tokenAnswer;
  if (answer?.ok === true) return answer.session;
  const challenge = { 'www-authenticate': answer === undefined ? 'Bearer' : 'Bearer error="invalid_token"' };
  throw answer?.reason === 'expired'
    ? new ProblemError('TOKEN_EXPIRED', 'Ask for a new token.', challenge)
    : new ProblemError('UNAUTHENTICATED', 'Send `Authorization: Bearer <token>`.', challenge);
}

/**
 * The project of a request, once it is clear that this session may see it.
 *
 * @param needed `admin` where a member may not
 * @throws ProblemError 401 without a good token; 404 for a project that is not the session's, or is none: which of the
 *   two is nobody's business; 403 for a member where an admin is needed
 */
export function projectOf(
  request: FastifyRequest,
  needed: Role,
): { project: string; role: Role; session: Session } {
  const session = sessionOf(request);
  const { project } = request.params as { project: string };
  const role = isProjectId(project) ? roleOf(session, project) : undefined;
  if (role === undefined) throw new ProblemError('NOT_FOUND', 'There is no such project.');
  if (needed === 'admin' && role !== 'admin') {
    throw new ProblemError('FORBIDDEN', 'Invoices are for the admins of a project.');
  }
  return { project, role, session };
}

/** @throws ProblemError 401 without a good token; 404 for whoever does not run the installation */
export function opsSessionOf(request: FastifyRequest): Session {
  const session = sessionOf(request);
  if (!session.isOps) throw new ProblemError('NOT_FOUND');
  return session;
}

const isProjectId = (text: string): boolean => /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/.test(text);

/** Keeps a good token in a cookie that no script can read and no other site's form can send. */
export function setSessionCookie(
  request: FastifyRequest,
  reply: FastifyReply,
  token: string,
  expiresAtMs: number,
): void {
  const secure = isSecure(request);
  writeCookie(reply, secure ? SECURE_COOKIE : COOKIE, token, { secure, expiresAtMs });
}

export function clearSessionCookie(reply: FastifyReply): void {
  writeCookie(reply, COOKIE, '', { secure: false, expiresAtMs: 0 });
  writeCookie(reply, SECURE_COOKIE, '', { secure: true, expiresAtMs: 0 });
}

/** Behind a proxy too: a false claim of https can only make the cookie stricter. */
function isSecure(request: FastifyRequest): boolean {
  const forwarded = String(request.headers['x-forwarded-proto'] ?? '')
    .split(',')[0]!
    .trim();
  return request.protocol === 'https' || forwarded === 'https';
}

/**
 * Checks that a form was filled in on a page of ours, by this session: it carries a proof that only such a page shows,
 * and the browser, where it says so, sent it from here.
 *
 * @throws ProblemError 403
 */
export function checkForm(request: FastifyRequest): void {
  const { proof } = (request.body ?? {}) as { proof?: unknown };
  const site = request.headers['sec-fetch-site'];
  const isOurs = site === undefined || site === 'same-origin';
  const given = Buffer.from(typeof proof === 'string' ? proof : '');
  const expected = Buffer.from(request.formProof);
  const isProven =
    expected.length > 0 && given.length === expected.length && timingSafeEqual(given, expected);
  if (!isOurs || !isProven) {
    throw new ProblemError(
      'FORBIDDEN',
      'This form is out of date or from another site: load its page again.',
    );
  }
}

function formProofOf(secret: string, token: string): string {
  return createHmac('sha256', secret).update(`form\n${token}`).digest('base64url');
}
