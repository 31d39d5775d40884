import { durationBetween, durationOfMs } from '../src/rating/duration';
import type { Duration } from '../src/rating/usage';
import { describeValue } from '../src/lib/text/describe-value';
import type { TimedUsage } from '../schemas/types';
import { reject, type Rejection } from './decode/rejection';
import { instantOf } from './decode/plain-instant';

/**
 * Uses `startedAt` and `endedAt` if both are given, otherwise `durationMs`. Undefined if the usage
 * ended before it started.
 */
export function durationOf({ startedAt, endedAt, durationMs }: TimedUsage): Duration | undefined {
  const start = instantOf(startedAt);
  const end = instantOf(endedAt);
  // The pattern in the schema takes exactly what instantOf takes.
  return start && end ? durationBetween(start, end) : durationOfMs(Number(durationMs));
}

export function negativeDuration({ startedAt, endedAt }: TimedUsage): Rejection {
  return reject(
    'negative_duration',
    `data.endedAt is ${describeValue(endedAt)} and must not be before data.startedAt, ${describeValue(startedAt)}`,
  );
}
