/**
 * A moment, exact to the nanosecond: whole seconds since 1970-01-01T00:00:00Z, rounded down, and
 * nanoseconds from 0 to 999,999,999.
 */
export interface Instant {
  readonly seconds: number;
  readonly nanos: number;
}

const ZERO = 0x30;
const DASH = 0x2d;
const COLON = 0x3a;
const UPPER_T = 0x54;
const LOWER_T = 0x74;
const SECONDS_PER_DAY = 86_400;
const DAYS_IN_MONTH = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] as const;
/** The factor that turns a fraction of that many digits into nanoseconds. */
const NANOS_OF_DIGITS = [0, 1e8, 1e7, 1e6, 1e5, 1e4, 1e3, 1e2, 10, 1] as const;

/**
 * Reads an RFC 3339 timestamp with an offset and at most nine digits of a second. Returns undefined
 * for anything else.
 *
 * `t` and `z` may be lower case. A space for `T`, a leap second (`:60`), hour 24 and days that do
 * not exist are refused. This is written by hand because it runs up to three times per event.
 * `Date.parse` takes other formats too, and stops at milliseconds.
 */
export function parseInstant(text: string): Instant | undefined {
  const century = twoDigits(text, 0);
  const ofCentury = twoDigits(text, 2);
  const month = twoDigits(text, 5);
  const day = twoDigits(text, 8);
  const hour = twoDigits(text, 11);
  const minute = twoDigits(text, 14);
  const second = twoDigits(text, 17);
  if (
    century < 0 ||
    ofCentury < 0 ||
    month < 1 ||
    month > 12 ||
    day < 1 ||
    hour < 0 ||
    minute < 0 ||
    second < 0
  )
    return undefined;
  const year = century * 100 + ofCentury;
  if (hour > 23 || minute > 59 || second > 59 || day > daysInMonth(year, month)) return undefined;
  const separator = text.charCodeAt(10);
  if (text.charCodeAt(4) !== DASH || text.charCodeAt(7) !== DASH) return undefined;
  if (separator !== UPPER_T && separator !== LOWER_T) return undefined;
  if (text.charCodeAt(13) !== COLON || text.charCodeAt(16) !== COLON) return undefined;

  let at = 19;
  let nanos = 0;
  if (text[at] === '.') {
    const first = ++at;
    while (at - first < 9 && isDigit(text.charCodeAt(at))) {
      nanos = nanos * 10 + (text.charCodeAt(at) - ZERO);
      at += 1;
    }
    if (at === first) return undefined;
    nanos *= NANOS_OF_DIGITS[at - first] ?? 0;
  }

  let offsetSeconds = 0;
  const sign = text[at];
  if (sign === 'Z' || sign === 'z') {
    if (text.length !== at + 1) return undefined;
  } else if (sign === '+' || sign === '-') {
    const offsetHour = twoDigits(text, at + 1);
    const offsetMinute = twoDigits(text, at + 4);
    if (offsetHour < 0 || offsetHour > 23 || offsetMinute < 0 || offsetMinute > 59) return undefined;
    if (text[at + 3] !== ':' || text.length !== at + 6) return undefined;
    offsetSeconds = (offsetHour * 60 + offsetMinute) * 60 * (sign === '+' ? 1 : -1);
  } else {
    return undefined;
  }
  const ofDay = (hour * 60 + minute) * 60 + second;
  return { seconds: daysSinceEpoch(year, month, day) * SECONDS_PER_DAY + ofDay - offsetSeconds, nanos };
}

function isDigit(code: number): boolean {
  return code >= ZERO && code <= ZERO + 9;
}

/** The number in the two digits at `at`, or -1 if there are not two digits. */
function twoDigits(text: string, at: number): number {
  const tens = text.charCodeAt(at) - ZERO;
  const ones = text.charCodeAt(at + 1) - ZERO;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : -1;
}

export function daysInMonth(year: number, month: number): number {
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return (DAYS_IN_MONTH[month - 1] ?? 0) + (leap ? 1 : 0);
}

/**
 * Days from 1970-01-01 in the proleptic Gregorian calendar. Years begin in March here, so that the
 * leap day is the last.
 */
export function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month > 2 ? year : year - 1;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}
