import { randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { redeemLink, saveSession } from '../../redis/sign-ins';
import type { WebDependencies } from './dependencies';
import { ProblemError } from './problems';
import { setSessionCookie, uncheckedProblem } from './sessions';
import { LINK_VALID_MS, type Session } from './tokens';

/**
 * Exchanges the token of a sign-in link, which works once, for a session. The session's token stays
 * in Redis. Its cookie is a random name, so nothing that was known before opens the session.
 */
export async function signIn(
  { tokens, store }: WebDependencies,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  // The address contains the token, so nothing that is loaded or opened from here may see it.
  void reply.header('referrer-policy', 'no-referrer').header('cache-control', 'no-store');
  const { token } = request.query as { token?: unknown };
  const answer = typeof token === 'string' ? tokens.verify(token) : undefined;
  if (answer?.ok !== true) throw refusalOf(answer?.reason);
  if (/prefetch|prerender/.test(String(request.headers['sec-purpose'] ?? ''))) {
    throw new ProblemError('FORBIDDEN', 'A sign-in link is not opened in advance.');
  }
  const link = answer.session;
  if (link.expiresAtMs - link.issuedAtMs > LINK_VALID_MS) {
    throw new ProblemError(
      'UNAUTHENTICATED',
      'This token is valid for longer than the 15 minutes of a sign-in link. Create a link with `tallyman token --link`.',
    );
  }
  const outcome = await redeemLink(store, link);
  if (outcome !== 'REDEEMED') {
    if (outcome === 'USED' && isSignedIn(request, link)) return reply.redirect('/', 303);
    request.log.warn({ subject: link.subject, token: link.id, outcome }, 'refused a sign-in link');
    throw new ProblemError('UNAUTHENTICATED', 'This sign-in link was used already. Request a new one.');
  }
  const cookie = randomBytes(32).toString('base64url');
  await saveSession(store, cookie, sessionToken({ tokens }, link), link.sessionExpiresAtMs);
  setSessionCookie(request, reply, cookie, link.sessionExpiresAtMs);
  request.log.info({ subject: link.subject, token: link.id }, 'signed in');
  return reply.redirect('/', 303);
}

/** The same rights as the link's, under its id, so that one revocation ends both. */
function sessionToken(
  { tokens }: Pick<WebDependencies, 'tokens'>,
  { id, subject, projects, isOps, isProducer, sessionExpiresAtMs }: Session,
): string {
  const role = isOps ? 'ops' : isProducer ? 'producer' : undefined;
  return tokens.sign({
    ...{ id, subject, projects: Object.fromEntries(projects), expiresAtMs: sessionExpiresAtMs },
    ...(role !== undefined && { role }),
  });
}

/** Somebody who opens a link twice is where it leads. */
function isSignedIn({ tokenAnswer }: FastifyRequest, { id }: Session): boolean {
  return tokenAnswer?.ok === true && tokenAnswer.session.id === id;
}

function refusalOf(reason: string | undefined): ProblemError {
  if (reason === 'expired') return new ProblemError('TOKEN_EXPIRED', 'Request a new sign-in link.');
  if (reason === 'revoked')
    return new ProblemError('UNAUTHENTICATED', 'This sign-in link was revoked. Request a new one.');
  if (reason === 'unchecked') return uncheckedProblem();
  return new ProblemError(
    'UNAUTHENTICATED',
    'This sign-in link is incomplete or belongs to another installation.',
  );
}
