import { isUtf8 } from 'node:buffer';
import type { Instant } from '../../src/rating/instant';
import { describeValue } from '../../src/lib/text/describe-value';
import { reject, type Rejection } from './rejection';
import { instantOf } from './plain-instant';
import { hasOnly } from './precheck';

type HeaderValue = Buffer | string | null;

/** A header that is given more than once has a list of values. */
export type RawHeaders = Readonly<Record<string, HeaderValue | HeaderValue[] | undefined>>;

/** The CloudEvents attributes of an event, by the rules of `schemas/usage-event.v1.json`. */
export interface Attributes {
  readonly ok: true;
  readonly id: string;
  readonly source: string;
  /** Any string. The topic decides which one is right. */
  readonly type: string;
  readonly project: string;
  readonly time: Instant;
}

/** As the producer sent them, unchecked. */
export type GivenAttributes = Readonly<Record<string, unknown>>;

const ID_LENGTH_MAX = 256;
const SOURCE_LENGTH_MAX = 256;
const SOURCE = /^[^\u0000-\u0020\u007f]{1,256}$/u;
const PROJECT = /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}$/;

/**
 * Checks the attributes of one event by hand, because this runs for every event and has to parse
 * the time anyway. A test compares it with the schema.
 */
export function readAttributes(given: GivenAttributes): Attributes | Rejection {
  const { specversion, id, source, type, subject, time: timeText } = given;
  if (specversion !== '1.0') return bad('specversion', specversion, 'be "1.0"');
  if (typeof id !== 'string' || !hasCodePoints(id, ID_LENGTH_MAX)) {
    return bad('id', id, 'be a string of 1 to 256 code points');
  }
  if (typeof source !== 'string' || !isSource(source)) {
    return bad('source', source, 'be 1 to 256 characters, no blank and no control character');
  }
  if (typeof type !== 'string') return bad('type', type, 'be a string');
  if (typeof subject !== 'string' || !PROJECT.test(subject)) {
    return bad('subject', subject, 'be a project id: 1 to 128 letters, digits, _, - or ., no . first');
  }
  const time = instantOf(timeText);
  if (time === undefined) {
    return bad('time', timeText, 'be an RFC 3339 time with an offset and at most 9 digits of a second');
  }
  return { ok: true, id, source, type, project: subject, time };
}

/**
 * In binary mode, the attribute `id` is in the header `ce_id`. If a header is given twice, the last
 * one counts, as in JSON.
 */
export function attributesOfHeaders(headers: RawHeaders): GivenAttributes {
  return {
    specversion: headerText(headers['ce_specversion']),
    id: headerText(headers['ce_id']),
    source: headerText(headers['ce_source']),
    type: headerText(headers['ce_type']),
    subject: headerText(headers['ce_subject']),
    time: headerText(headers['ce_time']),
  };
}

/** The last value of a header as text. Bytes that are not UTF-8 stay bytes. */
export function headerText(values: RawHeaders[string]): unknown {
  const value = Array.isArray(values) ? values.at(-1) : values;
  return Buffer.isBuffer(value) && isUtf8(value) ? value.toString('utf8') : value;
}

/** Most sources are plain ASCII, which is checked without a regular expression. */
function isSource(source: string): boolean {
  const { length } = source;
  return (length > 0 && length <= SOURCE_LENGTH_MAX && hasOnly(source, 0x21, 0x7e)) || SOURCE.test(source);
}

function bad(attribute: string, value: unknown, rule: string): Rejection {
  const problem = value === undefined ? `${attribute} is missing` : `${attribute} is ${describeValue(value)}`;
  return reject('schema_violation', `${problem} and must ${rule}`);
}

/**
 * True for a string of 1 to `most` code points. Code points are counted only if the number of code
 * units does not decide.
 */
function hasCodePoints(text: string, most: number): boolean {
  if (text.length === 0 || text.length > most * 2) return false;
  return text.length <= most || [...text].length <= most;
}
