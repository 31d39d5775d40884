import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { sendConditional } from '../http/conditional-requests';
import { ProblemError } from '../http/problems';

/** The query parameters that a list was asked with, besides `limit` and `cursor`. */
type Filters = Readonly<Record<string, string | undefined>>;

/**
 * Names the last item of a page, so that items which are added or removed before it move nothing.
 * Opaque to clients, so that its content may change.
 */
export function cursorOf(filters: Filters, place: readonly string[]): string {
  return Buffer.from([digestOf(filters), ...place].join(' ')).toString('base64url');
}

/**
 * @param isPlace whether these texts can be a place in the list
 * @throws ProblemError 400 for a text that is not a cursor, or one of another list or other filters
 */
export function placeOfCursor(
  cursor: string,
  filters: Filters,
  isPlace: (place: readonly string[]) => boolean,
): string[] {
  const [digest, ...place] = Buffer.from(cursor, 'base64url').toString().split(' ');
  if (!isPlace(place)) {
    throw new ProblemError('BAD_REQUEST', '`cursor` is not valid: use the `nextCursor` of a previous page.');
  }
  if (digest !== digestOf(filters)) {
    throw new ProblemError(
      'BAD_REQUEST',
      '`cursor` belongs to other filters: send those of the previous page with it, or no cursor.',
    );
  }
  return place;
}

function digestOf(filters: Filters): string {
  const given = Object.entries(filters).filter(([, value]) => value !== undefined);
  return createHash('sha256').update(JSON.stringify(given.sort())).digest('base64url').slice(0, 8);
}

/** Sends a page with the address of the next one (RFC 8288). */
export function sendList(
  request: FastifyRequest,
  reply: FastifyReply,
  page: { readonly nextCursor: string | null; readonly [list: string]: unknown },
): FastifyReply {
  if (page.nextCursor !== null) {
    const [path, query] = request.url.split('?') as [string, string?];
    const next = new URLSearchParams(query);
    next.set('cursor', page.nextCursor);
    void reply.header('link', `<${path}?${next.toString()}>; rel="next"`);
  }
  void reply.type('application/json; charset=utf-8');
  return sendConditional(request, reply, JSON.stringify(page));
}
