import type { Instant } from './instant';
import type { Meter } from './meters';
import type { Duration } from './usage';

/** How a single usage is rounded up: `used <= 0 ? 0 : max(minimum, ceil(used / increment) * increment)`, in base units. */
export interface RoundingPolicy {
  readonly increment: number;
  readonly minimum: number;
}

/** A policy with the moment from which it holds, by the event's time. */
export interface DatedRoundingPolicy extends RoundingPolicy {
  /** Seconds since the epoch, inclusive. */
  readonly fromSeconds: number;
}

/** Per meter, its policies with the newest first. */
export type RoundingTable = Readonly<Record<Meter, readonly DatedRoundingPolicy[]>>;

export type RoundingName = 'per-minute' | 'per-second';

/** A GB is 10^9 bytes, so that 0.01 GB is a whole number of bytes. */
export const BYTES_PER_GB = 1_000_000_000;

const ALWAYS = Number.NEGATIVE_INFINITY;
/** 2026-08-24T00:00:00Z, from when LiveKit Cloud announced metering by the second. */
const PER_SECOND_FROM = Date.UTC(2026, 7, 24) / 1000;
const HUNDREDTH_OF_GB = BYTES_PER_GB / 100;

const minute: DatedRoundingPolicy = { fromSeconds: ALWAYS, increment: 60, minimum: 60 };
const second: DatedRoundingPolicy = { fromSeconds: ALWAYS, increment: 1, minimum: 1 };
const single: DatedRoundingPolicy = { fromSeconds: ALWAYS, increment: 1, minimum: 1 };
const hundredthOfGb: DatedRoundingPolicy = {
  fromSeconds: ALWAYS,
  increment: HUNDREDTH_OF_GB,
  minimum: HUNDREDTH_OF_GB,
};
const secondFromTenOn: DatedRoundingPolicy = { fromSeconds: PER_SECOND_FROM, increment: 1, minimum: 10 };

/** The rule of LiveKit Cloud's billing page, at all times. */
const perMinute: RoundingTable = {
  'session.webrtc': [minute],
  'session.sip.third_party': [minute],
  'session.sip.us_local': [minute],
  'session.sip.us_toll_free': [minute],
  'session.ingress.transcoded': [minute],
  'session.ingress.passthrough': [minute],
  'session.egress.video': [minute],
  'session.egress.audio_only': [minute],
  'session.egress.track': [minute],
  'transfer.downstream': [hundredthOfGb],
  'transfer.upstream': [hundredthOfGb],
  'agent.session': [minute],
  'agent.recording': [minute],
  'agent.events': [single],
  'inference.stt': [second],
  'inference.llm.input': [single],
  'inference.llm.cached_input': [single],
  'inference.llm.output': [single],
  'inference.tts': [single],
};

/**
 * The announced rule: whole seconds, at least ten, for all that was metered by the minute. The announcement names
 * sessions, recording, WebRTC and SIP; stream import, which it does not name, is read as a session.
 */
const perSecond: RoundingTable = Object.fromEntries(
  Object.entries(perMinute).map(([meter, policies]) => [
    meter,
    policies.includes(minute) ? [secondFromTenOn, ...policies] : policies,
  ]),
) as RoundingTable;

/** The table of a `TALLYMAN_ROUNDING` setting. */
export function roundingTable(name: RoundingName): RoundingTable {
  return name === 'per-second' ? perSecond : perMinute;
}

/** The policy of a meter in force at a moment. */
export function policyAt(table: RoundingTable, meter: Meter, time: Instant): RoundingPolicy {
  const policies = table[meter];
  for (const policy of policies) if (policy.fromSeconds <= time.seconds) return policy;
  throw new RangeError(`meter ${meter} has no rounding policy at ${time.seconds}`);
}

/**
 * Rounds one usage up.
 *
 * @param used a duration, or a safe integer of base units
 * @returns base units as a canonical decimal integer; exact above 2^53 too, since 2^53-1 bytes are rounded up to more
 */
export function roundUp(used: Duration | number, { increment, minimum }: RoundingPolicy): string {
  // A fraction of a second is a begun second, and increments are whole seconds, so this is the same ceiling.
  const units = typeof used === 'number' ? used : used.nanos > 0 ? used.seconds + 1 : used.seconds;
  if (units <= 0) return '0';
  const over = units % increment;
  const rounded = Math.max(minimum, over === 0 ? units : units - over + increment);
  if (rounded <= Number.MAX_SAFE_INTEGER) return String(rounded);
  const step = BigInt(increment);
  return String(((BigInt(units) + step - 1n) / step) * step);
}
