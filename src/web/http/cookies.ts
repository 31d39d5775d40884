import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * The only cookie contains the random name of a session, in letters that need no encoding.
 */

/** The value of a cookie; undefined if the browser sent none of that name. */
export function readCookie(request: FastifyRequest, name: string): string | undefined {
  for (const part of (request.headers.cookie ?? '').split(';')) {
    const [key, value] = splitOnce(part);
    if (key === name) return value;
  }
  return undefined;
}

function splitOnce(part: string): [string, string] {
  const at = part.indexOf('=');
  return at < 0 ? [part.trim(), ''] : [part.slice(0, at).trim(), part.slice(at + 1).trim()];
}

/**
 * Sets a cookie that scripts cannot read and that forms of other sites do not send. An expired one
 * is removed.
 */
export function writeCookie(
  reply: FastifyReply,
  name: string,
  value: string,
  { secure, expiresAtMs }: { readonly secure: boolean; readonly expiresAtMs: number },
): void {
  const expires = new Date(expiresAtMs).toUTCString();
  const attributes = `Path=/; Expires=${expires}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  void reply.header('set-cookie', `${name}=${value}; ${attributes}`);
}
