import { isUtf8 } from 'node:buffer';
import type { IncomingHttpHeaders } from 'node:http';

/** An event as it came over HTTP, in the form in which a producer would write it to Kafka. */
export interface GivenEvent {
  readonly value: Buffer;
  /** The value, parsed; missing in binary mode. */
  readonly parsed?: { readonly document: unknown };
  /** `content-type`, and in binary mode the `ce_*` attributes. */
  readonly headers: Readonly<Record<string, string>>;
  /** For routing only. The decoder checks whether they are valid. */
  readonly type: unknown;
  readonly subject: unknown;
  readonly id: unknown;
}

export type GivenEvents =
  | { readonly ok: true; readonly events: readonly GivenEvent[] }
  | { readonly ok: false; readonly status: 400 | 415; readonly detail: string };

export const EVENTS_PER_REQUEST_MAX = 1_000;
export const STRUCTURED = 'application/cloudevents+json';
export const BATCH = 'application/cloudevents-batch+json';

/**
 * Reads the body of a request in one of the modes of the CloudEvents binding for HTTP: structured,
 * batch or binary. The bytes of each event stay as they came.
 */
export function readEvents(httpHeaders: IncomingHttpHeaders, body: Buffer): GivenEvents {
  const contentType = httpHeaders['content-type'] ?? '';
  const mediaType = contentType.split(';')[0]!.trim().toLowerCase();
  if (mediaType === STRUCTURED || mediaType === BATCH) {
    if (!isUtf8(body)) return refused(400, 'The body is not valid UTF-8.');
    const text = body.toString('utf8');
    let document: unknown;
    try {
      document = JSON.parse(text);
    } catch (error) {
      return refused(400, `The body is not valid JSON: ${(error as Error).message.slice(0, 200)}`);
    }
    if (mediaType === STRUCTURED) return { ok: true, events: [structured(body, document)] };
    if (!Array.isArray(document)) return refused(400, 'A batch must be a JSON array of events.');
    if (document.length > EVENTS_PER_REQUEST_MAX) {
      return refused(
        400,
        `The batch has ${document.length} events and may have at most ${EVENTS_PER_REQUEST_MAX}. Send it in parts.`,
      );
    }
    const texts = elementsOf(text);
    return { ok: true, events: document.map((event, i) => structured(Buffer.from(texts[i]!), event)) };
  }
  if (httpHeaders['ce-specversion'] !== undefined) return binary(httpHeaders, contentType, body);
  return refused(
    415,
    `Send Content-Type ${STRUCTURED} or ${BATCH}, or the attributes as ce- headers (binary mode).`,
  );
}

function structured(value: Buffer, event: unknown): GivenEvent {
  const { type, subject, id } = (event ?? {}) as Record<string, unknown>;
  return { value, parsed: { document: event }, headers: { 'content-type': STRUCTURED }, type, subject, id };
}

/**
 * Over HTTP, attribute `id` is in the header `ce-id`, percent-encoded. Kafka's binding has `ce_id`,
 * not encoded.
 */
function binary(httpHeaders: IncomingHttpHeaders, contentType: string, body: Buffer): GivenEvents {
  const headers: Record<string, string> = { 'content-type': contentType || 'application/json' };
  for (const [name, value] of Object.entries(httpHeaders)) {
    if (!name.startsWith('ce-') || typeof value !== 'string') continue;
    const decoded = percentDecoded(value);
    if (decoded === undefined) return refused(400, `The header ${name} is not percent-encoded UTF-8.`);
    headers[`ce_${name.slice('ce-'.length)}`] = decoded;
  }
  const { ce_type: type, ce_subject: subject, ce_id: id } = headers;
  return { ok: true, events: [{ value: body, headers, type, subject, id }] };
}

function percentDecoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/**
 * The texts of a JSON array's elements, exactly as they are in the array. If they were serialized
 * again, a number could change.
 *
 * @param text valid JSON, an array
 */
export function elementsOf(text: string): string[] {
  const elements: string[] = [];
  let depth = 0;
  let from = text.indexOf('[') + 1;
  for (let i = from; i < text.length; i += 1) {
    switch (text.charCodeAt(i)) {
      case 0x22: // "
        i = endOfString(text, i);
        break;
      case 0x5b: // [
      case 0x7b: // {
        depth += 1;
        break;
      case 0x5d: // ]
      case 0x7d: // }
        if (depth === 0) {
          const last = text.slice(from, i).trim();
          if (last !== '') elements.push(last);
          return elements;
        }
        depth -= 1;
        break;
      case 0x2c: // ,
        if (depth > 0) break;
        elements.push(text.slice(from, i).trim());
        from = i + 1;
        break;
    }
  }
  return elements;
}

/** The index of the quote that ends the string begun at `i`. */
function endOfString(text: string, i: number): number {
  for (let at = i + 1; ; at += 1) {
    const code = text.charCodeAt(at);
    if (code === 0x5c) at += 1;
    else if (code === 0x22) return at;
  }
}

const refused = (status: 400 | 415, detail: string): GivenEvents => ({ ok: false, status, detail });
