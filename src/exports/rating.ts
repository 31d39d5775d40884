/**
 * The package's entry `tallyman/rating`: what an event adds to the totals, without Kafka or Redis.
 * The consumers rate by the same code.
 */
import { consumerOfType } from '../../consumers';
import { rateMessage } from '../../consumers/decode/rate-message';
import { reject, type Rejection } from '../../consumers/decode/rejection';
import { isJsonObject } from '../../consumers/usage-consumer';
import { readConfig } from '../lib/config';
import { createBillingCalendar } from '../rating/billing-calendar';
import { roundingTable, type RoundingName } from '../rating/rounding';
import type { RatedEvent } from '../rating/usage';

export { isMeter, meterKey, meterNames, splitMeterKey, type Meter } from '../rating/meters';
export { lateField, splitLateField } from '../rating/month';
export type { RatedUsage } from '../rating/usage';
export type { Rejection, RoundingName };

/** What decides the result besides the event. The defaults are those of the settings. */
export interface RaterOptions {
  /** The IANA zone whose days and months are billed (`TALLYMAN_BILLING_ZONE`). */
  readonly zone?: string;
  readonly rounding?: RoundingName;
  /** `TALLYMAN_FUTURE_LIMIT`, `TALLYMAN_PAST_LIMIT` and `TALLYMAN_DURATION_LIMIT`. */
  readonly limits?: {
    readonly futureMs?: number;
    readonly pastMs?: number;
    readonly durationMs?: number;
  };
}

/** A rated event, or the reason why a consumer would make it a dead letter. */
export type Rating = { readonly ok: true; readonly event: Omit<RatedEvent, 'offset'> } | Rejection;

/**
 * Rates one event.
 *
 * @param event a CloudEvent in structured mode, as parsed JSON
 * @param publishedAt the timestamp that its record would have in Kafka
 */
export type Rater = (event: unknown, publishedAt: Date) => Rating;

/** @throws RangeError if there is no such zone */
export function createRater({ zone = 'UTC', rounding = 'per-minute', limits }: RaterOptions = {}): Rater {
  const defaults = readConfig({}).limits;
  const context = {
    calendar: createBillingCalendar(zone),
    rounding: roundingTable(rounding),
    limits: { ...defaults, ...limits },
  };
  return (document, publishedAt) => {
    const { type, data } = isJsonObject(document) ? document : {};
    const consumer = consumerOfType(type, () => (isJsonObject(data) ? data['type'] : undefined));
    if (typeof consumer === 'string') return reject('schema_violation', consumer);
    const value = Buffer.from(JSON.stringify(document));
    const rated = rateMessage(consumer, { offset: 0, timestampMs: publishedAt.getTime(), value }, context);
    if (!rated.ok) return rated;
    const { offset: _offset, ...event } = rated.event;
    return { ok: true, event };
  };
}
