import { durationBetween, durationOfMs } from '../src/rating/duration';
import { parseInstant } from '../src/rating/instant';
import type { Duration } from '../src/rating/usage';
import { reject, shown, type Rejection } from './usage-consumer';

/** The fields that tell how long something was used, once a schema has checked their types. */
export interface TimedUsage {
  readonly startedAt?: string | null;
  readonly endedAt?: string | null;
  readonly durationMs?: number | string | null;
}

/** `startedAt` and `endedAt`, which win where both are given, or `durationMs`. */
export function durationOf(data: TimedUsage): Duration | Rejection {
  const start = readTimestamp(data.startedAt, 'startedAt');
  if (start !== undefined && 'ok' in start) return start;
  const end = readTimestamp(data.endedAt, 'endedAt');
  if (end !== undefined && 'ok' in end) return end;
  if (start !== undefined && end !== undefined) {
    const duration = durationBetween(start, end);
    if (duration !== undefined) return duration;
    return reject(
      'negative_duration',
      `data.endedAt ${shown(data.endedAt)} lies before data.startedAt ${shown(data.startedAt)}`,
    );
  }
  return durationOfMs(Number(data.durationMs));
}

function readTimestamp(
  text: string | null | undefined,
  field: string,
): ReturnType<typeof parseInstant> | Rejection {
  if (text === null || text === undefined) return undefined;
  return (
    parseInstant(text) ?? reject('schema_violation', `data.${field} is ${shown(text)}: ${TIMESTAMP_RULE}`)
  );
}

export const TIMESTAMP_RULE =
  'it must be an RFC 3339 time with an offset and at most nine digits of a second, e.g. 2026-10-14T09:31:10.2Z';
