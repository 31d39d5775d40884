import type { BillingCalendar } from '../../src/rating/billing-calendar';
import { rate } from '../../src/rating/rate';
import type { RoundingTable } from '../../src/rating/rounding';
import type { RatedEvent } from '../../src/rating/usage';
import { decodeEvent, type RawMessage, type TimeLimits } from './decode-event';
import type { Rejection } from './rejection';
import type { UsageConsumer } from '../usage-consumer';

/**
 * What decides on an event besides the event itself. It is settings only, so that a replay gives
 * the same result.
 */
export interface RatingContext {
  readonly rounding: RoundingTable;
  readonly calendar: BillingCalendar;
  readonly limits: TimeLimits;
}

export type RatedMessage = { readonly ok: true; readonly event: RatedEvent } | Rejection;

export function rateMessage(
  consumer: UsageConsumer,
  message: RawMessage,
  context: RatingContext,
): RatedMessage {
  const decoded = decodeEvent(consumer, message, context.limits);
  if (!decoded.ok) return decoded;
  const { id, source, project, time, isVoid } = decoded;
  const { day, month } = context.calendar.dayOf(time);
  const usages = rate(decoded.usages, time, context.rounding);
  const event = { offset: message.offset, project, source, id, month, day, usages };
  return { ok: true, event: isVoid ? { ...event, isVoid } : event };
}
