import { createHash, randomUUID } from 'node:crypto';
import { createSigner, createVerifier, TokenError } from 'fast-jwt';

/** A member may see a project's usage, an admin its invoices as well. */
export type Role = 'admin' | 'member';
/** A producer may publish a project's usage, and sees nothing. */
export type TokenRole = Role | 'producer';

/** The content of a checked token. */
export interface Session {
  /** Names the token in `tallyman token revoke`: its `jti`, or a hash of it. */
  readonly id: string;
  readonly subject: string;
  /** A map, because `__proto__` is a legal project id. */
  readonly projects: ReadonlyMap<string, TokenRole>;
  /** Sees the whole installation, and every project as its admin does. */
  readonly isOps: boolean;
  /** Publishes the usage of every project. */
  readonly isProducer: boolean;
  /** 0 if the token does not contain it. */
  readonly issuedAtMs: number;
  readonly expiresAtMs: number;
  /** Until when a session lasts that is begun with the token. */
  readonly sessionExpiresAtMs: number;
}

export interface TokenRequest {
  readonly subject: string;
  readonly projects?: Readonly<Record<string, TokenRole>>;
  /** A role for the whole installation, beside those for single projects. */
  readonly role?: 'ops' | 'producer';
  readonly id?: string;
  readonly expiresAtMs: number;
  /** For a sign-in link, which itself expires soon. */
  readonly sessionExpiresAtMs?: number;
}

export type TokenAnswer =
  | { readonly ok: true; readonly session: Session }
  | { readonly ok: false; readonly reason: 'invalid' | 'expired' | 'revoked' | 'unchecked' };

/** Whether a token was revoked; undefined if it is not known what was. */
export type RevocationCheck = (token: Pick<Session, 'id' | 'subject' | 'issuedAtMs'>) => boolean | undefined;

export interface Tokens {
  sign(request: TokenRequest): string;
  /** Never throws: an invalid token is an answer. */
  verify(token: string): TokenAnswer;
}

/** A sign-in link stays in mails, histories and logs. It must be of no use there. */
export const LINK_VALID_MS = 15 * 60_000;
/** How far the clocks of two machines may differ. */
const CLOCK_TOLERANCE_MS = 30_000;
/**
 * A token with a thousand projects has some 20 KiB. A text that is longer than a header can be is
 * not checked.
 */
const TOKEN_LENGTH_MAX = 64 * 1024;

/**
 * Tokens of the page and the API: JSON Web Tokens with HS256 and nothing else. The algorithm is
 * fixed here, so that a token cannot choose `none` or another kind of key.
 */
export function createTokens(secret: string, isRevoked: RevocationCheck = () => false): Tokens {
  const sign = createSigner({ key: secret, algorithm: 'HS256' });
  const verify = createVerifier({
    key: secret,
    algorithms: ['HS256'],
    clockTolerance: CLOCK_TOLERANCE_MS,
    requiredClaims: ['exp', 'sub'],
  });
  return {
    sign: ({ subject, projects, role, id = randomUUID(), expiresAtMs, sessionExpiresAtMs }) =>
      sign({
        sub: subject,
        jti: id,
        exp: Math.floor(expiresAtMs / 1000),
        ...(sessionExpiresAtMs !== undefined && { session_exp: Math.floor(sessionExpiresAtMs / 1000) }),
        ...(projects !== undefined && { projects }),
        ...(role !== undefined && { role }),
      }),
    verify(token) {
      if (token.length > TOKEN_LENGTH_MAX) return { ok: false, reason: 'invalid' };
      try {
        const session = sessionOf(token, verify(token) as Record<string, unknown>);
        if (session === undefined) return { ok: false, reason: 'invalid' };
        const revoked = isRevoked(session);
        if (revoked === false) return { ok: true, session };
        return { ok: false, reason: revoked === undefined ? 'unchecked' : 'revoked' };
      } catch (error) {
        const isExpired = error instanceof TokenError && error.code === TokenError.codes.expired;
        return { ok: false, reason: isExpired ? 'expired' : 'invalid' };
      }
    },
  };
}

function sessionOf(token: string, claims: Record<string, unknown>): Session | undefined {
  const { sub, exp, iat = 0, jti = idOf(token), session_exp: sessionExp = exp, role, projects = {} } = claims;
  if (typeof sub !== 'string' || sub === '' || typeof jti !== 'string' || jti === '') return undefined;
  if (typeof exp !== 'number' || typeof iat !== 'number' || typeof sessionExp !== 'number') return undefined;
  if (typeof projects !== 'object' || projects === null || Array.isArray(projects)) return undefined;
  const roles = new Map<string, TokenRole>();
  for (const [project, projectRole] of Object.entries(projects as Record<string, unknown>)) {
    if (projectRole !== 'admin' && projectRole !== 'member' && projectRole !== 'producer') return undefined;
    roles.set(project, projectRole);
  }
  return {
    id: jti,
    subject: sub,
    projects: roles,
    isOps: role === 'ops',
    isProducer: role === 'producer',
    issuedAtMs: iat * 1000,
    expiresAtMs: exp * 1000,
    sessionExpiresAtMs: sessionExp * 1000,
  };
}

const idOf = (token: string): string => createHash('sha256').update(token).digest('base64url');

/**
 * The role of a session in a project; undefined if it must not learn whether the project exists.
 */
export function roleOf(session: Session, project: string): Role | undefined {
  const role = session.isOps ? 'admin' : session.projects.get(project);
  return role === 'producer' ? undefined : role;
}

/** The projects that a session may see, by their ids. */
export function projectsSeenBy(session: Session): [project: string, role: Role][] {
  return [...session.projects]
    .flatMap(([project, role]): [string, Role][] => (role === 'producer' ? [] : [[project, role]]))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Whom limits are counted for. The subject is not enough: it is often a role's name, which the
 * tokens of all tenants share.
 */
export function holderOf({ subject, isOps, isProducer, projects }: Session): string {
  const holder = JSON.stringify([subject, isOps, isProducer, [...projects.keys()].sort()]);
  return createHash('sha256').update(holder).digest('base64url');
}

/** Whether a session may publish usage of a project. */
export function mayPublish(session: Session, project: string): boolean {
  return session.isProducer || session.projects.get(project) === 'producer';
}
