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
  const digest = createHash('sha256')
    .update(meaning ?? body)
    .digest('base64url')
    .slice(0, 27);
  const tag = `"${digest}"`;
  void reply.header('etag', meaning === undefined ? tag : `W/${tag}`);
  void reply.header('cache-control', 'private, no-cache');
  void reply.header('vary', 'Authorization, Cookie');
  if (hasTag(request.headers['if-none-match'], tag)) return reply.code(304).send();
  return reply.send(body);
}

/** RFC 9110: weak comparison, any of a list, or `*`. */
function hasTag(header: string | undefined, tag: string): boolean {
  if (header === undefined) return false;
  return header.split(',').some((one) => one.trim() === '*' || one.trim().replace(/^W\//, '') === tag);
}
