import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

/** Why a webhook is not accepted as LiveKit's. */
export type SignatureProblem =
  | 'no_token'
  | 'malformed_token'
  | 'other_algorithm'
  | 'unknown_key'
  | 'wrong_signature'
  | 'not_yet_valid'
  | 'expired'
  | 'other_body';

/** LiveKit's API keys: key -> secret. Several may be valid at once, so that one can be replaced. */
export type ApiKeys = ReadonlyMap<string, string>;

/**
 * How far the clocks of the server and of this machine may differ. LiveKit's tokens live for five
 * minutes.
 */
export const CLOCK_TOLERANCE_SECONDS = 60;

interface Claims {
  readonly iss?: unknown;
  readonly nbf?: unknown;
  readonly exp?: unknown;
  readonly sha256?: unknown;
}

/**
 * Checks that a webhook comes from a LiveKit server that signs with one of the keys. The token is
 * an HS256 JWT whose `sha256` claim is the base64 digest of the body's bytes. A body that was
 * parsed and serialized again has other bytes.
 *
 * @param authorization the header as it arrived: LiveKit sends the bare token, and `Bearer` before
 *   it is accepted
 * @returns undefined if the signature is right
 */
export function signatureProblem(
  body: Buffer,
  authorization: string | undefined,
  keys: ApiKeys,
  nowSeconds: number,
): SignatureProblem | undefined {
  const token = authorization?.replace(/^Bearer +/i, '').trim();
  if (!token) return 'no_token';
  const [header, payload, signature, ...rest] = token.split('.');
  if (!header || !payload || !signature || rest.length > 0) return 'malformed_token';
  const algorithm = jsonOf<{ alg?: unknown }>(header)?.alg;
  const claims = jsonOf<Claims>(payload);
  if (algorithm === undefined || claims === undefined) return 'malformed_token';
  if (algorithm !== 'HS256') return 'other_algorithm';

  const secret = typeof claims.iss === 'string' ? keys.get(claims.iss) : undefined;
  if (secret === undefined) return 'unknown_key';
  const expected = createHmac('sha256', secret).update(`${header}.${payload}`).digest();
  if (!isEqual(expected, Buffer.from(signature, 'base64url'))) return 'wrong_signature';

  // The signature is valid, so the claims are the server's own.
  if (typeof claims.exp !== 'number' || typeof claims.sha256 !== 'string') return 'malformed_token';
  if (claims.exp + CLOCK_TOLERANCE_SECONDS < nowSeconds) return 'expired';
  if (typeof claims.nbf === 'number' && claims.nbf - CLOCK_TOLERANCE_SECONDS > nowSeconds) {
    return 'not_yet_valid';
  }
  const digest = createHash('sha256').update(body).digest();
  return isEqual(digest, Buffer.from(claims.sha256, 'base64')) ? undefined : 'other_body';
}

function jsonOf<T extends object>(part: string): T | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}

/** Compares in constant time, so that nobody can guess a signature byte by byte. */
function isEqual(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
