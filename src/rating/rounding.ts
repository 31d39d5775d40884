import type { Instant } from './instant';
import { BILLING_UNITS, METERS, type RoundingRule } from './meter-table';
import type { Meter } from './meters';
import type { Duration } from './usage';

/**
 * How a single usage is rounded up, in base units: `used <= 0 ? 0 : max(minimum, ceil(used /
 * increment) * increment)`.
 */
export interface RoundingPolicy {
  readonly increment: number;
  readonly minimum: number;
}

export interface DatedRoundingPolicy extends RoundingPolicy {
  /** Seconds since the epoch, inclusive. */
  readonly fromSeconds: number;
}

/** The policies of each meter, newest first. */
export type RoundingTable = Readonly<Record<Meter, readonly DatedRoundingPolicy[]>>;

export type RoundingName = 'per-minute' | 'per-second';

const ALWAYS = Number.NEGATIVE_INFINITY;
/** 2026-08-24T00:00:00Z, the day from which LiveKit Cloud announced metering by the second. */
const PER_SECOND_FROM = Date.UTC(2026, 7, 24) / 1000;
const HUNDREDTH_OF_GB = BILLING_UNITS.GB.size / 100;

const always = (increment: number): DatedRoundingPolicy => ({
  fromSeconds: ALWAYS,
  increment,
  minimum: increment,
});

type Policies = Readonly<Record<RoundingRule, readonly DatedRoundingPolicy[]>>;

/** The rule of LiveKit Cloud's billing page, at all times. */
const perMinute: Policies = {
  'begun-minute': [always(60)],
  'begun-second': [always(1)],
  'hundredth-of-gb': [always(HUNDREDTH_OF_GB)],
  none: [always(1)],
};

/**
 * The announced rule: whole seconds, and at least ten, for everything that was metered by the
 * minute. The announcement names sessions, recording, WebRTC and SIP. It does not name stream
 * import, which is treated as a session.
 */
const perSecond: Policies = {
  ...perMinute,
  'begun-minute': [{ fromSeconds: PER_SECOND_FROM, increment: 1, minimum: 10 }, ...perMinute['begun-minute']],
};

function tableOf(policies: Policies): RoundingTable {
  return Object.fromEntries(
    Object.entries(METERS).map(([meter, { rounding }]) => [meter, policies[rounding]]),
  ) as RoundingTable;
}

const tables = { 'per-minute': tableOf(perMinute), 'per-second': tableOf(perSecond) };

export function roundingTable(name: RoundingName): RoundingTable {
  return tables[name];
}

export function policyAt(table: RoundingTable, meter: Meter, time: Instant): RoundingPolicy {
  const policies = table[meter];
  for (const policy of policies) if (policy.fromSeconds <= time.seconds) return policy;
  throw new RangeError(`meter ${meter} has no rounding policy at ${time.seconds}`);
}

/**
 * @param used a duration, or a safe integer of base units
 * @returns base units as a canonical decimal integer, which is exact above 2^53 too, because 2^53-1
 *   bytes are rounded up to more
 */
export function roundUp(used: Duration | number, { increment, minimum }: RoundingPolicy): string {
  // A fraction of a second is a begun second. Increments are whole seconds, so this gives the same
  // ceiling.
  const units = typeof used === 'number' ? used : used.nanos > 0 ? used.seconds + 1 : used.seconds;
  if (units <= 0) return '0';
  const over = units % increment;
  const rounded = Math.max(minimum, over === 0 ? units : units - over + increment);
  if (rounded <= Number.MAX_SAFE_INTEGER) return String(rounded);
  const step = BigInt(increment);
  return String(((BigInt(units) + step - 1n) / step) * step);
}
