import type { Duration, Usage } from '../../src/rating/usage';
import { shown } from '../../src/lib/text/describe';
import type { TimedUsage } from '../../schemas/types';
import { reject, type Rejection } from './rejection';

const NANOS_PER_MS = 1_000_000;

/** The rejection of data one of whose durations is longer than the limit; undefined if none is. */
export function implausibleUsage(
  data: unknown,
  usages: readonly Usage[],
  limitMs: number,
): Rejection | undefined {
  for (const { used } of usages) {
    if (typeof used === 'object' && isLonger(used, limitMs)) return tooLong(data as TimedUsage, limitMs);
  }
  return undefined;
}

/**
 * Compared to the nanosecond, in whole milliseconds and a rest: one number of milliseconds would be
 * rounded.
 */
function isLonger({ seconds, nanos }: Duration, limitMs: number): boolean {
  const overMs = seconds * 1000 + Math.floor(nanos / NANOS_PER_MS) - limitMs;
  return overMs > 0 || (overMs === 0 && nanos % NANOS_PER_MS > 0);
}

/**
 * Names the likely cause too: both kinds are mistakes of a producer far more often than long
 * usages.
 */
function tooLong({ startedAt, endedAt, durationMs }: TimedUsage, limitMs: number): Rejection {
  return reject(
    'implausible',
    typeof startedAt === 'string' && typeof endedAt === 'string'
      ? `data.startedAt is ${shown(startedAt)} and must be at most ${limitMs} ms before data.endedAt, ${shown(endedAt)}: ` +
          'was the start never set?'
      : `data.durationMs is ${shown(durationMs)} and must be at most ${limitMs}: are these nanoseconds or microseconds?`,
  );
}
