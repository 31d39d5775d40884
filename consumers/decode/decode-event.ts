import { isUtf8 } from 'node:buffer';
import type { Instant } from '../../src/rating/instant';
import type { Usage } from '../../src/rating/usage';
import { shortened, describeValue } from '../../src/lib/text/describe-value';
import { attributesOfHeaders, readAttributes, type GivenAttributes, type RawHeaders } from './attributes';
import { BATCH_TYPE, contentModeOf, type ContentMode } from './content-mode';
import { implausibleUsage } from './plausible';
import { readPlainHeaders, type HeaderPlaces } from './plain-headers';
import { readPlainJson } from './plain-json';
import { reject, type Rejection } from './rejection';
import { base64Data, isJsonObject, type UsageConsumer } from '../usage-consumer';
import { implausibleVoid, readVoided, VOID_TYPE } from '../void';

export interface RawMessage {
  readonly offset: number;
  readonly timestampMs: number;
  readonly value: Buffer | null;
  /**
   * The number of bytes of the value, and its text as UTF-8, for records where both are cheaper to
   * get than through `value`. A null value has 0 bytes and the empty text.
   */
  readonly valueBytes?: number;
  valueText?(): string;
  /** The bytes that hold value and headers, for records that stay in their batch. */
  readonly bytes?: Buffer;
  readonly valueStart?: number;
  readonly headerPlaces?: HeaderPlaces;
  /** The value as parsed from valid UTF-8, if whoever has it has parsed it already. */
  readonly parsed?: { readonly document: unknown };
  readonly headers?: RawHeaders | undefined;
}

export interface TimeLimits {
  /** How far the time of an event may be after and before the timestamp of its record. */
  readonly futureMs: number;
  readonly pastMs: number;
  readonly durationMs: number;
}

/** A usage event, or the void of one, that breaks no rule. */
export interface UsageEvent {
  readonly ok: true;
  readonly id: string;
  readonly source: string;
  readonly project: string;
  readonly time: Instant;
  readonly usages: readonly Usage[];
  /** In a void, `id`, `source`, `time` and `usages` are those of the event that it takes back. */
  readonly isVoid?: true;
}

export type Decoded = UsageEvent | Rejection;

const BYTE_ORDER_MARK = '\ufeff';
export const VALUE_BYTES_MAX = 1_048_576;

/**
 * Reads one record as a usage event, in CloudEvents' structured or binary mode. The first rule that
 * it breaks is the reason of its rejection, so the order of the steps is part of the contract.
 */
export function decodeEvent(consumer: UsageConsumer, message: RawMessage, limits: TimeLimits): Decoded {
  const plain = plainEvent(message);
  if (plain !== undefined) {
    const decoded = checkEvent(consumer, plain, message.timestampMs, limits);
    if (decoded.ok) return decoded;
  }
  const parsed = parseValue(message);
  if (!parsed.ok) return parsed;
  const given = givenEvent(contentModeOf(message.headers), parsed.document, message.headers);
  return given.ok ? checkEvent(consumer, given, message.timestampMs, limits) : given;
}

/** An event as its producer sent it, unchecked. */
interface GivenEvent {
  readonly ok: true;
  readonly attributes: GivenAttributes;
  readonly data: unknown;
  /** Undefined in binary mode. */
  readonly structured: GivenAttributes | undefined;
}

/** Undefined for an event of an unusual form, or of none. */
function plainEvent({
  bytes,
  valueStart = 0,
  valueBytes = 0,
  headerPlaces,
}: RawMessage): GivenEvent | undefined {
  if (bytes === undefined || headerPlaces === undefined) return undefined;
  if (valueBytes === 0 || valueBytes > VALUE_BYTES_MAX) return undefined;
  const headers = headerPlaces.length === 0 ? 'structured' : readPlainHeaders(bytes, headerPlaces);
  if (headers === undefined) return undefined;
  const isBinary = headers !== 'structured';
  const document = readPlainJson(bytes, valueStart, valueStart + valueBytes, isBinary);
  if (document === undefined) return undefined;
  return isBinary
    ? { ok: true, attributes: headers, data: document, structured: undefined }
    : { ok: true, attributes: document, data: document['data'], structured: document };
}

function givenEvent(
  mode: ContentMode,
  document: unknown,
  headers: RawHeaders | undefined,
): GivenEvent | Rejection {
  if (mode === 'batch') {
    return reject(
      'schema_violation',
      `content-type is "${BATCH_TYPE}" and must be of one event: publish each as a record of its own`,
    );
  }
  if (mode === 'binary')
    return {
      ok: true,
      attributes: attributesOfHeaders(headers ?? {}),
      data: document,
      structured: undefined,
    };
  if (!isJsonObject(document))
    return reject('schema_violation', `the event is ${describeValue(document)} and must be an object`);
  return { ok: true, attributes: document, data: document['data'], structured: document };
}

function checkEvent(
  consumer: UsageConsumer,
  { attributes: given, data, structured }: GivenEvent,
  timestampMs: number,
  limits: TimeLimits,
): Decoded {
  const attributes = readAttributes(given);
  if (!attributes.ok) return attributes;

  const { id, source, type, project, time } = attributes;
  if (type === VOID_TYPE) {
    const voided = readVoided(consumer, data);
    if (!voided.ok) return (structured && base64Data(structured)) ?? voided;
    // For a void, its own time counts: how late the voided event was no longer matters.
    return (
      beyondLimits(time, timestampMs, limits) ??
      implausibleVoid(data, voided.usages, limits.durationMs) ?? { ...voided, project, isVoid: true }
    );
  }
  if (type !== consumer.eventType) {
    return reject(
      'wrong_type',
      `type is ${describeValue(type)} and must be "${consumer.eventType}" on this topic`,
    );
  }

  const usages = consumer.usagesOf(data);
  if (!Array.isArray(usages)) return (structured && base64Data(structured)) ?? usages;

  return (
    beyondLimits(time, timestampMs, limits) ??
    implausibleUsage(data, usages, limits.durationMs) ?? { ok: true, id, source, project, time, usages }
  );
}

function parseValue(message: RawMessage): { ok: true; document: unknown } | Rejection {
  const bytes = message.valueBytes ?? message.value?.length ?? 0;
  if (bytes === 0) return reject('malformed_json', 'the value is empty');
  if (bytes > VALUE_BYTES_MAX) {
    return reject('too_large', `the value is ${bytes} bytes and must be at most ${VALUE_BYTES_MAX}`);
  }
  if (message.parsed !== undefined) return { ok: true, document: message.parsed.document };
  const text = message.valueText?.() ?? message.value?.toString('utf8') ?? '';
  // Decoding replaces what is not UTF-8 by U+FFFD, and two ids could become the same. A text
  // without U+FFFD, as almost all are, needs no check of its bytes.
  if (text.includes('\ufffd') && !isUtf8(message.value ?? Buffer.of()))
    return reject('malformed_json', 'the value is not valid UTF-8');
  if (text.startsWith(BYTE_ORDER_MARK)) {
    return reject(
      'malformed_json',
      'the value begins with a byte order mark (EF BB BF), which JSON does not allow',
    );
  }
  try {
    return { ok: true, document: JSON.parse(text) as unknown };
  } catch (error) {
    return reject(
      'malformed_json',
      `the value is not valid JSON: ${shortened((error as Error).message, 200)}`,
    );
  }
}

/**
 * Compares to the nanosecond, in whole milliseconds and a rest, because a single number of
 * milliseconds would be rounded.
 */
function beyondLimits(time: Instant, recordMs: number, limits: TimeLimits): Rejection | undefined {
  const eventMs = time.seconds * 1000 + Math.floor(time.nanos / 1_000_000);
  const sinceLatestMs = eventMs - (recordMs + limits.futureMs);
  if (sinceLatestMs > 0 || (sinceLatestMs === 0 && time.nanos % 1_000_000 > 0)) {
    return reject('from_the_future', outside(eventMs, recordMs, `at most ${limits.futureMs} ms after`));
  }
  if (eventMs < recordMs - limits.pastMs) {
    return reject('too_old', outside(eventMs, recordMs, `at most ${limits.pastMs} ms before`));
  }
  return undefined;
}

function outside(eventMs: number, recordMs: number, rule: string): string {
  return `time is ${isoOf(eventMs)} and must be ${rule} the record's timestamp, ${isoOf(recordMs)}`;
}

function isoOf(epochMs: number): string {
  const date = new Date(epochMs);
  return Number.isNaN(date.getTime()) ? `${epochMs} ms` : date.toISOString();
}

/** The whole data of a valid event as parsed JSON, including fields that Tallyman does not use. */
export function dataOf({ value, headers }: Pick<RawMessage, 'value' | 'headers'>): unknown {
  const document = JSON.parse(value?.toString('utf8') ?? 'null') as unknown;
  if (contentModeOf(headers) === 'binary') return document;
  return (document as { data: unknown }).data;
}
