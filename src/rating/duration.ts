import type { Instant } from './instant';
import type { Duration } from './usage';

const NANOS_PER_SECOND = 1_000_000_000;

/** The time from `start` to `end`, or undefined if `end` is before `start`. */
export function durationBetween(start: Instant, end: Instant): Duration | undefined {
  let seconds = end.seconds - start.seconds;
  let nanos = end.nanos - start.nanos;
  if (nanos < 0) {
    nanos += NANOS_PER_SECOND;
    seconds -= 1;
  }
  return seconds < 0 ? undefined : { seconds, nanos };
}

/** @param durationMs a safe integer, 0 or above */
export function durationOfMs(durationMs: number): Duration {
  const millis = durationMs % 1000;
  return { seconds: (durationMs - millis) / 1000, nanos: millis * 1_000_000 };
}
