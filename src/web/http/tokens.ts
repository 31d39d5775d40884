import { createSigner, createVerifier, TokenError } from 'fast-jwt';

/** What a person may see of a project: a member its usage, an admin its invoices as well. */
export type Role = 'admin' | 'member';
/** A producer publishes a project's usage and sees nothing of it. */
export type TokenRole = Role | 'producer';

/** Who is asking, as a checked token says. */
export interface Session {
  readonly subject: string;
  /** A map, since `__proto__` is a legal project id. */
  readonly projects: ReadonlyMap<string, TokenRole>;
  /** Sees the whole installation, and every project as its admin does. */
  readonly isOps: boolean;
  /** Publishes the usage of every project. */
  readonly isProducer: boolean;
  readonly expiresAtMs: number;
}

export interface TokenRequest {
  readonly subject: string;
  readonly projects?: Readonly<Record<string, TokenRole>>;
  /** A role for the whole installation, beside those for single projects. */
  readonly role?: 'ops' | 'producer';
  readonly expiresAtMs: number;
}

export type TokenAnswer =
  | { readonly ok: true; readonly session: Session }
  | { readonly ok: false; readonly reason: 'invalid' | 'expired' };

export interface Tokens {
  sign(request: TokenRequest): string;
  /** Never throws: a bad token is an answer. */
  verify(token: string): TokenAnswer;
}

/** Clocks of two machines may differ by so much. */
const CLOCK_TOLERANCE_MS = 30_000;
/** A token with a thousand projects has some 20 KiB; what is longer than any header can be is not looked at. */
const TOKEN_LENGTH_MAX = 64 * 1024;

/**
 * Tokens of the page and the API: JSON Web Tokens under HS256 and nothing else. The algorithm is pinned here, so that
 * neither `none` nor a key of another kind is ever believed because a token asks for it.
 */
export function createTokens(secret: string): Tokens {
  const sign = createSigner({ key: secret, algorithm: 'HS256' });
  const verify = createVerifier({
    key: secret,
    algorithms: ['HS256'],
    clockTolerance: CLOCK_TOLERANCE_MS,
    requiredClaims: ['exp', 'sub'],
  });
  return {
    sign: ({ subject, projects, role, expiresAtMs }) =>
      sign({
        sub: subject,
        exp: Math.floor(expiresAtMs / 1000),
        ...(projects !== undefined && { projects }),
        ...(role !== undefined && { role }),
      }),
    verify(token) {
      if (token.length > TOKEN_LENGTH_MAX) return { ok: false, reason: 'invalid' };
      try {
        const session = sessionOf(verify(token) as Record<string, unknown>);
        return session === undefined ? { ok: false, reason: 'invalid' } : { ok: true, session };
      } catch (error) {
        const isExpired = error instanceof TokenError && error.code === TokenError.codes.expired;
        return { ok: false, reason: isExpired ? 'expired' : 'invalid' };
      }
    },
  };
}

function sessionOf(claims: Record<string, unknown>): Session | undefined {
  const { sub, exp, role, projects = {} } = claims;
  if (typeof sub !== 'string' || sub === '' || typeof exp !== 'number') return undefined;
  if (typeof projects !== 'object' || projects === null || Array.isArray(projects)) return undefined;
  const roles = new Map<string, TokenRole>();
  for (const [project, projectRole] of Object.entries(projects as Record<string, unknown>)) {
    if (projectRole !== 'admin' && projectRole !== 'member' && projectRole !== 'producer') return undefined;
    roles.set(project, projectRole);
  }
  return {
    subject: sub,
    projects: roles,
    isOps: role === 'ops',
    isProducer: role === 'producer',
    expiresAtMs: exp * 1000,
  };
}

/** What a session may do with a project; undefined: it must not learn whether there is one. */
export function roleOf(session: Session, project: string): Role | undefined {
  const role = session.isOps ? 'admin' : session.projects.get(project);
  return role === 'producer' ? undefined : role;
}

/** The projects that a session may see something of, by their ids. */
export function projectsSeenBy(session: Session): [project: string, role: Role][] {
  return [...session.projects]
    .flatMap(([project, role]): [string, Role][] => (role === 'producer' ? [] : [[project, role]]))
    .sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Whether a session may publish usage of a project. */
export function mayPublish(session: Session, project: string): boolean {
  return session.isProducer || session.projects.get(project) === 'producer';
}
