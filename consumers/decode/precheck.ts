import { parseInstant, type Instant } from '../../src/rating/instant';

/**
 * Checks that only valid data pass, at a third of the cost of the compiled schema or less. If a
 * check fails, the schema decides, and words the error. A test compares the two.
 */

export type Fields = Readonly<Record<string, unknown>>;

const DIGITS_MAX = 15;
const SERVICES = ['webrtc', 'sip', 'ingress', 'egress', 'connector'];
const MODEL_LENGTH_MAX = 128;

export function isService(value: unknown): boolean {
  return typeof value === 'string' && SERVICES.includes(value);
}

export function isOptionalBoolean(value: unknown): boolean {
  return value === undefined || value === null || typeof value === 'boolean';
}

/** A whole number, or text of up to 15 digits. */
export function isInteger(value: unknown): boolean {
  if (typeof value === 'number') return Number.isSafeInteger(value) && value >= 0;
  if (typeof value !== 'string') return false;
  const { length } = value;
  if (length === 0 || length > DIGITS_MAX || (value.charCodeAt(0) === 0x30 && length > 1)) return false;
  return hasOnly(value, 0x30, 0x39);
}

export function isOptionalInteger(value: unknown): boolean {
  return value === undefined || value === null || isInteger(value);
}

export function isModel(value: unknown): boolean {
  if (typeof value !== 'string' || value.length === 0 || value.length > MODEL_LENGTH_MAX) return false;
  return hasOnly(value, 0x20, 0x7e);
}

export function isDuration({ startedAt, endedAt, durationMs }: Fields): boolean {
  if (startedAt === undefined && endedAt === undefined) return isInteger(durationMs);
  return isInstant(startedAt) && isInstant(endedAt) && isOptionalInteger(durationMs);
}

/** Whether every UTF-16 unit of a text is between `least` and `most`. */
export function hasOnly(text: string, least: number, most: number): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < least || unit > most) return false;
  }
  return true;
}

const isInstant = (value: unknown): boolean => typeof value === 'string' && instantOf(value) !== undefined;

interface ReadInstant {
  text: string;
  instant: Instant | undefined;
}

/** The last two that were read, the newer one first. */
let newer: ReadInstant = { text: '', instant: undefined };
let older: ReadInstant = { text: '', instant: undefined };

/**
 * Like `parseInstant`, with a memory of two. An event's start and end are parsed by the check and
 * then again for the duration.
 */
export function instantOf(text: string): Instant | undefined {
  if (newer.text === text) return newer.instant;
  if (older.text === text) return older.instant;
  [newer, older] = [older, newer];
  newer.text = text;
  newer.instant = parseInstant(text);
  return newer.instant;
}
