import type * as Luxon from 'luxon';
import type { Instant } from './instant';
import { monthOf, nextMonth, previousMonth, startInUtc } from './month';

export interface BillingDay {
  readonly day: string;
  readonly month: string;
}

/** The calendar months and days of the billing zone. */
export interface BillingCalendar {
  readonly zone: string;
  dayOf(instant: Instant): BillingDay;
  /** In milliseconds since the epoch. */
  monthStart(month: string): number;
  /** The first millisecond after the month. */
  monthEnd(month: string): number;
  nextMonth(month: string): string;
  previousMonth(month: string): string;
  monthOfMs(epochMs: number): string;
}

/** The part of a UTC day that belongs to one billing day, in seconds. */
interface Span {
  readonly billingDay: BillingDay;
  readonly fromSeconds: number;
  /** The first second after it. */
  readonly untilSeconds: number;
}

const SECONDS_PER_DAY = 86_400;
/** Nearly three years. A full cache is emptied, so that odd times cannot fill the memory. */
const CACHED_DAYS_MAX = 1_000;

/**
 * @param zone an IANA zone
 * @throws RangeError if there is no such zone; its methods throw one for an invalid month
 */
export function createBillingCalendar(zone: string): BillingCalendar {
  if (!isZone(zone)) throw new RangeError(`there is no time zone "${zone}"`);
  const cache = new Map<number, readonly Span[]>();

  const spansOf = (utcDay: number): readonly Span[] => {
    let spans = cache.get(utcDay);
    if (spans === undefined) {
      if (cache.size >= CACHED_DAYS_MAX) cache.clear();
      spans = spansOfUtcDay(zone, utcDay);
      cache.set(utcDay, spans);
    }
    return spans;
  };

  // Hundreds of thousands of events arrive per second, and most of them are from one day.
  let last: Span | undefined;
  const dayOfSecond = (seconds: number): BillingDay => {
    if (last === undefined || seconds < last.fromSeconds || seconds >= last.untilSeconds) {
      const spans = spansOf(Math.floor(seconds / SECONDS_PER_DAY));
      last = spans.find(({ untilSeconds }) => seconds < untilSeconds)!;
    }
    return last.billingDay;
  };

  const monthStart = (month: string): number => {
    const utcDay = startInUtc(month) / 1000 / SECONDS_PER_DAY;
    // No zone is a whole day away from UTC, so the month begins on this UTC day or a neighbour.
    const spans = [utcDay - 1, utcDay, utcDay + 1].flatMap(spansOf);
    return spans.find(({ billingDay }) => billingDay.month >= month)!.fromSeconds * 1000;
  };

  return {
    zone,
    dayOf: ({ seconds }) => dayOfSecond(seconds),
    monthStart,
    monthEnd: (month) => monthStart(nextMonth(month)),
    nextMonth,
    previousMonth,
    monthOfMs: (epochMs) => dayOfSecond(Math.floor(epochMs / 1000)).month,
  };
}

/**
 * Splits a UTC day at the start of a billing day. Days never go back: if a zone turned its clocks
 * back over midnight, the day that had begun continues.
 */
function spansOfUtcDay(zone: string, utcDay: number): Span[] {
  const end = (utcDay + 1) * SECONDS_PER_DAY;
  const spans: Span[] = [];
  for (let from = utcDay * SECONDS_PER_DAY; from < end; from = spans.at(-1)!.untilSeconds) {
    const day = localDay(zone, from);
    let before = from;
    let until = end;
    if (localDay(zone, end - 1) > day) {
      while (until - before > 1) {
        const middle = Math.floor((before + until) / 2);
        if (localDay(zone, middle) > day) until = middle;
        else before = middle;
      }
    }
    spans.push({ billingDay: { day, month: monthOf(day) }, fromSeconds: from, untilSeconds: until });
  }
  return spans;
}

/** Costs tens of microseconds, so it stays off the path of events. */
function localDay(zone: string, seconds: number): string {
  if (zone === 'UTC') return new Date(seconds * 1000).toISOString().slice(0, 10);
  return luxon().DateTime.fromSeconds(seconds, { zone }).toFormat('yyyy-MM-dd');
}

export function isZone(zone: string): boolean {
  return zone === 'UTC' || luxon().IANAZone.isValidZone(zone);
}

/** Loading luxon and Node's zone data takes longer than reading a total, and UTC needs neither. */
function luxon(): typeof Luxon {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return require('luxon') as typeof Luxon;
}
