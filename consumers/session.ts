import type { Meter } from '../src/rating/meters';
import { dataCheck } from './checked-data';
import { durationOf, type TimedUsage } from './timed-usage';
import type { UsageConsumer } from './usage-consumer';

const check = dataCheck('usage.session.v1');

/** The meter of each service and variant; the first variant is the default. */
const METERS: Readonly<Record<string, Readonly<Record<string, Meter>>>> = {
  sip: {
    third_party: 'session.sip.third_party',
    us_local: 'session.sip.us_local',
    us_toll_free: 'session.sip.us_toll_free',
  },
  ingress: { transcoded: 'session.ingress.transcoded', passthrough: 'session.ingress.passthrough' },
  egress: {
    video: 'session.egress.video',
    audio_only: 'session.egress.audio_only',
    track: 'session.egress.track',
  },
};
const DEFAULT_VARIANT: Readonly<Record<string, string>> = {
  sip: 'third_party',
  ingress: 'transcoded',
  egress: 'video',
};

/** Connections, stream imports and egresses: time by service and variant. */
export const sessionConsumer: UsageConsumer = {
  name: 'session',
  topic: 'usage.session',
  eventType: 'usage.session.v1',
  usagesOf(data) {
    const rejection = check(data);
    if (rejection) return rejection;
    const session = data as TimedUsage & { service: string; variant?: string | null };
    const duration = durationOf(session);
    if ('ok' in duration) return duration;
    return { ok: true, usages: [{ meter: meterOf(session), used: duration }] };
  },
};

function meterOf({ service, variant }: { service: string; variant?: string | null }): Meter {
  if (service === 'webrtc') return 'session.webrtc'; // It has no variants: a `variant` here means nothing.
  return METERS[service]![variant ?? DEFAULT_VARIANT[service]!]!;
}
