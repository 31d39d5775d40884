import { durationBetween, durationOfMs } from '../src/rating/duration';
import type { Duration } from '../src/rating/usage';
import { describeValue } from '../src/lib/text/describe-value';
import type { TimedUsage } from '../schemas/types';
import { reject, type Rejection } from './decode/rejection';
import { instantOf } from './decode/precheck';

/**
 * Uses `startedAt` and `endedAt` if both are given, otherwise `durationMs`. Undefined if the usage
 * ended before it started.
 */
export function durationOf({ startedAt, endedAt, durationMs }: TimedUsage): Duration | undefined {
  if (typeof startedAt !== 'string' || typeof endedAt !== 'string') return durationOfMs(Number(durationMs));
  // The pattern in the schema takes exactly what parseInstant takes.
  return durationBetween(instantOf(startedAt)!, instantOf(endedAt)!);
}

export function negativeDuration({ startedAt, endedAt }: TimedUsage): Rejection {
  return reject(
    'negative_duration',
    `data.endedAt is ${describeValue(endedAt)} and must not be before data.startedAt, ${describeValue(startedAt)}`,
  );
}
