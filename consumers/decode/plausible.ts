import type { Duration, Usage } from '../../src/rating/usage';
import { describeValue } from '../../src/lib/text/describe-value';
import type { TimedUsage } from '../../schemas/types';
import { reject, type Rejection } from './rejection';

const NANOS_PER_MS = 1_000_000;

/** Rejects data with a duration that is longer than the limit. */
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
 * Compares to the nanosecond, in whole milliseconds and a rest, because a single number of
 * milliseconds would be rounded.
 */
function isLonger({ seconds, nanos }: Duration, limitMs: number): boolean {
  const overMs = seconds * 1000 + Math.floor(nanos / NANOS_PER_MS) - limitMs;
  return overMs > 0 || (overMs === 0 && nanos % NANOS_PER_MS > 0);
}

/**
 * Names the likely cause too: either kind is far more often a mistake of the producer than a long
 * usage.
 */
function tooLong({ startedAt, endedAt, durationMs }: TimedUsage, limitMs: number): Rejection {
  return reject(
    'implausible',
    typeof startedAt === 'string' && typeof endedAt === 'string'
      ? `data.startedAt is ${describeValue(startedAt)} and must be at most ${limitMs} ms before data.endedAt, ${describeValue(endedAt)}: ` +
          'was the start never set?'
      : `data.durationMs is ${describeValue(durationMs)} and must be at most ${limitMs}: are these nanoseconds or microseconds?`,
  );
}
