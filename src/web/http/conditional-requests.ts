import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

/**
 * Answers with a body that a cache may keep but must revalidate each time, or with 304 if the
 * reader has it already.
 *
 * @param meaning the part of the body that is compared, if not all of it: a new time of reading
 *   alone is not a new total. The tag is a weak one then.
 */
export function sendConditional(
  request: FastifyRequest,
  reply: FastifyReply,
  body: string | Buffer,
  meaning?: string,
): FastifyReply {
  const tag = tagOf(meaning ?? body);
  writeTag(reply, meaning === undefined ? tag : `W/${tag}`);
  return hasTag(request.headers['if-none-match'], tag) ? reply.code(304).send() : reply.send(body);
}

/** Does the same for a body that is rendered from `source`, only if the reader does not have it. */
export async function sendConditionally(
  request: FastifyRequest,
  reply: FastifyReply,
  source: string,
  bodyOf: () => Promise<Buffer>,
): Promise<FastifyReply> {
  const tag = tagOf(source);
  const body = hasTag(request.headers['if-none-match'], tag) ? undefined : await bodyOf();
  writeTag(reply, `W/${tag}`);
  return body === undefined ? reply.code(304).send() : reply.send(body);
}

function tagOf(content: string | Buffer): string {
  return `"${createHash('sha256').update(content).digest('base64url').slice(0, 27)}"`;
}

function writeTag(reply: FastifyReply, tag: string): void {
  void reply.headers({ etag: tag, 'cache-control': 'private, no-cache', vary: 'Authorization, Cookie' });
}

/** RFC 9110: weak comparison, any of a list, or `*`. */
function hasTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag);
}
