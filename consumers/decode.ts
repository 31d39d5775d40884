import { isUtf8 } from 'node:buffer';
import { parseInstant, type Instant } from '../src/rating/instant';
import type { Usage } from '../src/rating/usage';
import { TIMESTAMP_RULE } from './timed-usage';
import { reject, shown, type Rejection, type UsageConsumer } from './usage-consumer';

type HeaderValue = Buffer | string;

/** A record as Kafka has it. */
export interface RawMessage {
  readonly offset: number;
  readonly timestampMs: number;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, HeaderValue | HeaderValue[] | undefined>>;
}

/** How far an event's time may lie after and before its record's timestamp. */
export interface TimeLimits {
  readonly futureMs: number;
  readonly pastMs: number;
}

/** A usage event that is good in every respect. */
export interface UsageEvent {
  readonly ok: true;
  readonly id: string;
  readonly source: string;
  readonly project: string;
  readonly time: Instant;
  readonly usages: readonly Usage[];
}

type Attributes = Readonly<Record<string, unknown>>;

export const VALUE_BYTES_MAX = 1_048_576;
const ID_LENGTH_MAX = 256;
const SOURCE = /^[^\u0000-\u0020\u007f]{1,256}$/u;
const PROJECT = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/;
const BINARY_MODE_HEADER = 'ce_specversion';
const ATTRIBUTES = ['specversion', 'id', 'source', 'type', 'subject', 'time'] as const;

/**
 * Reads one record as a usage event, in CloudEvents' structured or binary mode. The first rule that it breaks is the
 * reason, in the order of the checks below.
 */
export function decodeEvent(
  consumer: UsageConsumer,
  message: RawMessage,
  limits: TimeLimits,
): UsageEvent | Rejection {
  const { value } = message;
  if (value !== null && value.length > VALUE_BYTES_MAX) {
    return reject('too_large', `the value has ${value.length} bytes and may have ${VALUE_BYTES_MAX}`);
  }
  if (value === null || value.length === 0) return reject('malformed_json', 'the value is empty');
  if (!isUtf8(value)) return reject('malformed_json', 'the value is no UTF-8');
  let document: unknown;
  try {
    document = JSON.parse(value.toString('utf8'));
  } catch (error) {
    return reject('malformed_json', `the value is no JSON: ${shorten(String(error))}`);
  }

  const binary = message.headers?.[BINARY_MODE_HEADER] !== undefined;
  const attributes = binary ? attributesOfHeaders(message.headers ?? {}) : attributesOfDocument(document);
  if (typeof attributes === 'string') return reject('schema_violation', attributes);
  const { id, source, subject, type } = attributes;
  if (attributes['specversion'] !== '1.0')
    return violation('specversion', attributes['specversion'], 'must be "1.0"');
  if (typeof id !== 'string' || !hasCodePoints(id, ID_LENGTH_MAX)) {
    return violation('id', id, 'must be a string of 1 to 256 code points');
  }
  if (typeof source !== 'string' || !SOURCE.test(source)) {
    return violation(
      'source',
      source,
      'must be a string of 1 to 256 code points without blanks and control characters',
    );
  }
  if (typeof type !== 'string') return violation('type', type, `must be "${consumer.eventType}"`);
  if (typeof subject !== 'string' || !PROJECT.test(subject)) {
    return violation(
      'subject',
      subject,
      'must be a project id: letters, digits, _ - . (not first), at most 128',
    );
  }
  const time = typeof attributes['time'] === 'string' ? parseInstant(attributes['time']) : undefined;
  if (time === undefined) return violation('time', attributes['time'], TIMESTAMP_RULE);

  if (type !== consumer.eventType) {
    return reject('wrong_type', `type is ${shown(type)}, and this topic takes "${consumer.eventType}"`);
  }

  const data = binary ? document : (document as Attributes)['data'];
  if (data === undefined) return reject('schema_violation', 'data is missing');
  const read = consumer.usagesOf(data);
  if (!read.ok) return read;

  const eventMs = time.seconds * 1000 + Math.floor(time.nanos / 1_000_000);
  const latestMs = message.timestampMs + limits.futureMs;
  if (eventMs > latestMs || (eventMs === latestMs && time.nanos % 1_000_000 > 0)) {
    return reject(
      'from_the_future',
      `time ${shown(attributes['time'])} lies over ${limits.futureMs} ms after the record's, ${isoOf(message.timestampMs)}`,
    );
  }
  if (eventMs < message.timestampMs - limits.pastMs) {
    return reject(
      'too_old',
      `time ${shown(attributes['time'])} lies over ${limits.pastMs} ms before the record's, ${isoOf(message.timestampMs)}`,
    );
  }
  return { ok: true, id, source, project: subject, time, usages: read.usages };
}

function attributesOfDocument(document: unknown): Attributes | string {
  if (typeof document !== 'object' || document === null || Array.isArray(document)) {
    return `the event is ${shown(document)} and must be a JSON object`;
  }
  return document as Attributes;
}

/** Binary mode: attribute `id` stands in header `ce_id`. Of a header given twice the last one counts, as in JSON. */
function attributesOfHeaders(headers: NonNullable<RawMessage['headers']>): Attributes | string {
  const attributes: Record<string, string> = {};
  for (const name of ATTRIBUTES) {
    const given = headers[`ce_${name}`];
    const value = Array.isArray(given) ? given.at(-1) : given;
    if (value === undefined) continue;
    if (typeof value !== 'string' && !isUtf8(value)) return `header ce_${name} is no UTF-8`;
    attributes[name] = value.toString();
  }
  return attributes;
}

function violation(attribute: string, value: unknown, rule: string): Rejection {
  return reject(
    'schema_violation',
    value === undefined ? `${attribute} is missing` : `${attribute} is ${shown(value)}: ${rule}`,
  );
}

/** True for a string of 1 to `most` code points. Counts only where the number of code units leaves it open. */
function hasCodePoints(text: string, most: number): boolean {
  if (text.length === 0 || text.length > most * 2) return false;
  return text.length <= most || [...text].length <= most;
}

function shorten(text: string): string {
  return text.length <= 160 ? text : `${text.slice(0, 159)}…`;
}

function isoOf(epochMs: number): string {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? String(epochMs) : date.toISOString();
}
