import { DateTime } from 'luxon';
import type { Instant } from './instant';

/** A day of the billing zone, and its month: `YYYY-MM-DD`, `YYYY-MM`. */
export interface BillingDay {
  readonly day: string;
  readonly month: string;
}

/** Months and days as they are billed: calendar months of one zone. */
export interface BillingCalendar {
  readonly zone: string;
  dayOf(instant: Instant): BillingDay;
  /** The first millisecond of a month, and the first one after it. */
  monthStart(month: string): number;
  monthEnd(month: string): number;
  nextMonth(month: string): string;
  previousMonth(month: string): string;
  monthOfMs(epochMs: number): string;
}

/** Every offset from UTC in use since 1972 is a multiple of a quarter of an hour, so no day begins within a slot. */
const SLOT_SECONDS = 900;
/** Over a year of slots; beyond it the cache is emptied, so that a stream of odd times cannot fill the memory. */
const SLOTS_MAX = 60_000;

/** @param zone an IANA zone, checked by the caller */
export function createBillingCalendar(zone: string): BillingCalendar {
  // luxon costs tens of microseconds a call; events come hundreds of thousands a second.
  const slots = new Map<number, BillingDay>();
  const dayOfMs = (epochMs: number): BillingDay => {
    const day = DateTime.fromMillis(epochMs, { zone }).toFormat('yyyy-MM-dd');
    return { day, month: day.slice(0, 7) };
  };
  const startOf = (month: string): DateTime =>
    DateTime.fromFormat(month, 'yyyy-MM', { zone }).startOf('month');
  return {
    zone,
    dayOf(instant) {
      const slot = Math.floor(instant.seconds / SLOT_SECONDS);
      let found = slots.get(slot);
      if (found === undefined) {
        if (slots.size >= SLOTS_MAX) slots.clear();
        found = dayOfMs(slot * SLOT_SECONDS * 1000);
        slots.set(slot, found);
      }
      return found;
    },
    monthStart: (month) => startOf(month).toMillis(),
    monthEnd: (month) => startOf(month).plus({ months: 1 }).startOf('month').toMillis(),
    nextMonth: (month) => startOf(month).plus({ months: 1 }).toFormat('yyyy-MM'),
    previousMonth: (month) => startOf(month).minus({ months: 1 }).toFormat('yyyy-MM'),
    monthOfMs: (epochMs) => dayOfMs(epochMs).month,
  };
}
