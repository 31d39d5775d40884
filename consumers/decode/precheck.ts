import { instantOf } from './plain-instant';

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
  return (
    instantOf(startedAt) !== undefined && instantOf(endedAt) !== undefined && isOptionalInteger(durationMs)
  );
}

/** Whether every UTF-16 unit of a text is between `least` and `most`. */
export function hasOnly(text: string, least: number, most: number): boolean {
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit < least || unit > most) return false;
  }
  return true;
}
