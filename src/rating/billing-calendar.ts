import type * as Luxon from 'luxon';
import type { Instant } from './instant';
import { monthOf, nextMonth, previousMonth, startInUtc } from './month';

/** A day of the billing zone, and its month: `YYYY-MM-DD`, `YYYY-MM`. */
export interface BillingDay {
  readonly day: string;
  readonly month: string;
}

/**
 * Months and days as they are billed: calendar months of one zone. A month is written `YYYY-MM`.
 */
export interface BillingCalendar {
  readonly zone: string;
  dayOf(instant: Instant): BillingDay;
  /** The first millisecond of a month, since the epoch. */
  monthStart(month: string): number;
  /** The first millisecond after a month. */
  monthEnd(month: string): number;
  nextMonth(month: string): string;
  previousMonth(month: string): string;
  monthOfMs(epochMs: number): string;
}

/** The seconds of one UTC day that are one billing day. */
interface Span {
  readonly billingDay: BillingDay;
  readonly fromSeconds: number;
  /** The first second after it. */
  readonly untilSeconds: number;
}

const SECONDS_PER_DAY = 86_400;
/**
 * Nearly three years. Beyond it the cache is emptied, so that a stream of odd times cannot fill the
 * memory.
 */
const CACHED_DAYS_MAX = 1_000;

/**
 * @param zone an IANA zone
 * @throws RangeError if there is no such zone, and where a month is asked for that is none
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

  // Events come hundreds of thousands a second and mostly of one day: that one is kept at hand.
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
    // No zone is a day away from UTC: the month begins on this UTC day or on one beside it.
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
 * Cuts a UTC day where a billing day begins. Days never go back: where a zone's clock was put back
 * over midnight, the day that had begun goes on.
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

/** Whether there is such an IANA zone. */
export function isZone(zone: string): boolean {
  return zone === 'UTC' || luxon().IANAZone.isValidZone(zone);
}

/**
 * UTC needs neither luxon nor the zone data of Node: to load them takes longer than to read a
 * total.
 */
function luxon(): typeof Luxon {
  // eslint-disable-next-line @typescript-eslint/no-require-imports
  return require('luxon') as typeof Luxon;
}
