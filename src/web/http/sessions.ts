import { createHmac, timingSafeEqual } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { readCookie, writeCookie } from './cookies';
import type { WebDependencies } from './dependencies';
import { endSession, findSession } from '../../redis/sign-ins';
import type { Store } from '../../redis/store';
import { ProblemError } from './problems';
import { masked, unmasked } from '../plugins/csrf-token';
import { roleOf, type Role, type Session, type TokenAnswer } from './tokens';

declare module 'fastify' {
  interface FastifyRequest {
    /** What the request's token contains; undefined if there is no token. */
    tokenAnswer: TokenAnswer | undefined;
    /** Whether the session goes on, as far as is known. Signing out ends streams that are open. */
    isStillGood: () => Promise<boolean>;
    /**
     * The proof that a form of this session must carry; empty without a cookie. It is computed for
     * each page that asks for it, and for no other request.
     */
    readonly formProof: string;
  }
}

const COOKIE = 'tallyman_session';
/**
 * A browser accepts a cookie of this name only with Secure, from the host itself, for all its
 * paths.
 */
const SECURE_COOKIE = `__Host-${COOKIE}`;

/**
 * Reads the session before any route runs: from the bearer token if there is one, otherwise from
 * the cookie. Without a store there are no cookies.
 */
export function registerSessions(
  app: FastifyInstance,
  { tokens, authSecret, store }: Pick<WebDependencies, 'tokens' | 'authSecret'> & { readonly store?: Store },
): void {
  app.decorateRequest('tokenAnswer', undefined);
  app.decorateRequest('isStillGood', () => Promise.resolve(false));
  app.decorateRequest('formProof', {
    getter(this: FastifyRequest) {
      const cookie = this.headers.authorization === undefined ? cookieOf(this) : undefined;
      return cookie === undefined ? '' : masked(formProofOf(authSecret, cookie));
    },
  });
  const readToken = async (request: FastifyRequest): Promise<TokenAnswer | undefined> => {
    const { authorization } = request.headers;
    if (authorization !== undefined) {
      const bearer = /^Bearer +([^\s]+) *$/i.exec(authorization)?.[1];
      return bearer === undefined ? { ok: false, reason: 'invalid' } : tokens.verify(bearer);
    }
    const cookie = cookieOf(request);
    if (cookie === undefined || store === undefined || request.url.startsWith('/static/')) return undefined;
    return answerOf(cookie, store, tokens);
  };
  app.addHook('onRequest', async (request) => {
    request.tokenAnswer = await readToken(request);
    request.isStillGood = async () => {
      const again = await readToken(request);
      return again?.ok === true || again?.reason === 'unchecked';
    };
  });
}

async function answerOf(
  cookie: string,
  store: Store,
  tokens: WebDependencies['tokens'],
): Promise<TokenAnswer> {
  try {
    const token = await findSession(store, cookie);
    return token === undefined ? { ok: false, reason: 'expired' } : tokens.verify(token);
  } catch {
    return { ok: false, reason: 'unchecked' }; // Redis does not answer.
  }
}

const cookieOf = (request: FastifyRequest): string | undefined =>
  readCookie(request, SECURE_COOKIE) ?? readCookie(request, COOKIE);

/** The session of a request. @throws ProblemError 401 without a valid token */
export function sessionOf(request: FastifyRequest): Session {
  const answer = request.tokenAnswer;
  if (answer?.ok === true) return answer.session;
  if (answer?.reason === 'unchecked') throw uncheckedProblem();
  const challenge = { 'www-authenticate': answer === undefined ? 'Bearer' : 'Bearer error="invalid_token"' };
  if (answer?.reason === 'expired')
    throw new ProblemError('TOKEN_EXPIRED', 'Request a new token.', challenge);
  const detail =
    answer?.reason === 'revoked' ? 'This token was revoked.' : 'Send `Authorization: Bearer <token>`.';
  throw new ProblemError('UNAUTHENTICATED', detail, challenge);
}

/** Nobody is let in who may have been shut out. */
export const uncheckedProblem = (): ProblemError =>
  new ProblemError('STORE_UNAVAILABLE', 'It cannot be checked now whether this token is still valid.', {
    'retry-after': '5',
  });

/**
 * The project of a request, if this session may see it.
 *
 * @param needed `admin` if a member must not see it
 * @throws ProblemError 401 without a valid token; 404 for a project that does not exist or is not
 *   the session's, without saying which; 403 for a member if an admin is needed
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
    throw new ProblemError('FORBIDDEN', 'Only admins of the project can see invoices.');
  }
  return { project, role, session };
}

/** @throws ProblemError 401 without a valid token; 404 for a role other than `ops` */
export function opsSessionOf(request: FastifyRequest): Session {
  const session = sessionOf(request);
  if (!session.isOps) throw new ProblemError('NOT_FOUND');
  return session;
}

export const isProjectId = (text: string): boolean => /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/.test(text);

/** Names a session in a cookie that scripts cannot read and forms of other sites cannot send. */
export function setSessionCookie(
  request: FastifyRequest,
  reply: FastifyReply,
  cookie: string,
  expiresAtMs: number,
): void {
  const secure = isSecure(request);
  writeCookie(reply, secure ? SECURE_COOKIE : COOKIE, cookie, { secure, expiresAtMs });
}

/** Ends the session on the server as well, so that a copy of its cookie is worth nothing. */
export async function signOut(request: FastifyRequest, reply: FastifyReply, store: Store): Promise<void> {
  const cookie = cookieOf(request);
  if (cookie !== undefined) await endSession(store, cookie);
  writeCookie(reply, COOKIE, '', { secure: false, expiresAtMs: 0 });
  writeCookie(reply, SECURE_COOKIE, '', { secure: true, expiresAtMs: 0 });
}

/**
 * Trusts the header without a proxy, too, because a false claim of https only makes the cookie
 * stricter.
 */
function isSecure(request: FastifyRequest): boolean {
  const forwarded = String(request.headers['x-forwarded-proto'] ?? '')
    .split(',')[0]!
    .trim();
  return request.protocol === 'https' || forwarded === 'https';
}

/**
 * Checks that a form was sent from a page of this server by this session. It carries a proof that
 * only such a page contains, and the origin, if the browser sends one, is this server.
 *
 * @throws ProblemError 403
 */
export function checkForm(request: FastifyRequest): void {
  const { proof } = (request.body ?? {}) as { proof?: unknown };
  const site = request.headers['sec-fetch-site'];
  const isOurs = site === undefined || site === 'same-origin';
  const given = unmasked(typeof proof === 'string' ? proof : '');
  const expected = unmasked(request.formProof);
  const isProven =
    expected.length > 0 && given.length === expected.length && timingSafeEqual(given, expected);
  if (!isOurs || !isProven) {
    throw new ProblemError('FORBIDDEN', 'This form has expired or is from another site. Reload the page.');
  }
}

function formProofOf(secret: string, cookie: string): Buffer {
  return createHmac('sha256', secret).update(`form\n${cookie}`).digest();
}
