import { durationBetween, durationOfMs } from '../src/rating/duration';
import type { Duration } from '../src/rating/usage';
import { shown } from '../src/lib/text/describe';
import type { TimedUsage } from '../schemas/types';
import { reject, type Rejection } from './decode/rejection';
import { instantOf } from './decode/precheck';

/**
 * `startedAt` and `endedAt`, which win where both are given, or `durationMs`; undefined if it ended
 * before it started.
 */
export function durationOf({ startedAt, endedAt, durationMs }: TimedUsage): Duration | undefined {
  if (typeof startedAt !== 'string' || typeof endedAt !== 'string') return durationOfMs(Number(durationMs));
  // The schema's pattern takes what parseInstant takes, no more and no less.
  return durationBetween(instantOf(startedAt)!, instantOf(endedAt)!);
}

/** The rejection of data of which `durationOf` is undefined. */
export function negativeDuration({ startedAt, endedAt }: TimedUsage): Rejection {
  return reject(
    'negative_duration',
    `data.endedAt is ${shown(endedAt)} and must not lie before data.startedAt, ${shown(startedAt)}`,
  );
}
