import { daysInMonth, daysSinceEpoch, parseInstant, type Instant } from '../../src/rating/instant';

/** An instant that was read from the bytes of a batch. Node's parser of JSON never makes one. */
class PlainInstant implements Instant {
  constructor(
    readonly seconds: number,
    readonly nanos: number,
    /** Where its text ends. */
    readonly end: number,
  ) {}
}

const ZERO = 0x30;
const DASH = 0x2d;
const POINT = 0x2e;
const COLON = 0x3a;
const UPPER_T = 0x54;
const UPPER_Z = 0x5a;
const DIGITS_MAX = 9;

/**
 * Reads the form of RFC 3339 that almost all producers write, such as `2026-10-14T09:31:10.200Z`.
 * Making a string of it takes longer than reading it.
 *
 * @returns undefined for any other form, which `instantOf` may still take as a text
 */
export function readPlainInstant(bytes: Uint8Array, start: number): PlainInstant | undefined {
  const century = twoDigits(bytes, start);
  const ofCentury = twoDigits(bytes, start + 2);
  const month = twoDigits(bytes, start + 5);
  const day = twoDigits(bytes, start + 8);
  const hour = twoDigits(bytes, start + 11);
  const minute = twoDigits(bytes, start + 14);
  const second = twoDigits(bytes, start + 17);
  // If one of them is -1, so is the union of their bits.
  if ((century | ofCentury | month | day | hour | minute | second) < 0) return undefined;
  const year = century * 100 + ofCentury;
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  if (bytes[start + 4] !== DASH || bytes[start + 7] !== DASH || bytes[start + 10] !== UPPER_T)
    return undefined;
  if (bytes[start + 13] !== COLON || bytes[start + 16] !== COLON) return undefined;

  let at = start + 19;
  let nanos = 0;
  if (bytes[at] === POINT) {
    let unit = 1e9;
    const last = at + DIGITS_MAX;
    for (
      let digit = bytes[at + 1]! - ZERO;
      digit >= 0 && digit <= 9 && at < last;
      digit = bytes[at + 1]! - ZERO
    ) {
      unit /= 10;
      nanos += digit * unit;
      at += 1;
    }
    if (unit === 1e9) return undefined;
    at += 1;
  }
  if (bytes[at] !== UPPER_Z) return undefined;
  const seconds = daysSinceEpoch(year, month, day) * 86_400 + (hour * 60 + minute) * 60 + second;
  return new PlainInstant(seconds, nanos, at + 1);
}

/** @returns undefined for what is not an instant */
export function instantOf(value: unknown): Instant | undefined {
  if (value instanceof PlainInstant) return value;
  return typeof value === 'string' ? parseInstant(value) : undefined;
}

/** The number in the two digits at `at`, or -1 if there are not two digits. */
function twoDigits(bytes: Uint8Array, at: number): number {
  const tens = bytes[at]! - ZERO;
  const ones = bytes[at + 1]! - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}
