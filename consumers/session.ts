import type { Meter } from '../src/rating/meters';
import type { SessionData } from '../schemas/types';
import { isDuration } from './decode/precheck';
import { durationOf, negativeDuration } from './timed-usage';
import { usageConsumer } from './usage-consumer';

const SIP = {
  third_party: 'session.sip.third_party',
  us_local: 'session.sip.us_local',
  us_toll_free: 'session.sip.us_toll_free',
} as const;
const INGRESS = {
  transcoded: 'session.ingress.transcoded',
  passthrough: 'session.ingress.passthrough',
} as const;
const EGRESS = {
  video: 'session.egress.video',
  audio_only: 'session.egress.audio_only',
  track: 'session.egress.track',
} as const;
const CONNECTOR = {
  other: 'session.connector.other',
  whatsapp: 'session.connector.whatsapp',
} as const;

const VARIANTS = new Map<unknown, readonly unknown[]>([
  ['sip', Object.keys(SIP)],
  ['ingress', Object.keys(INGRESS)],
  ['egress', Object.keys(EGRESS)],
  ['connector', Object.keys(CONNECTOR)],
]);

export const sessionConsumer = usageConsumer<SessionData>({
  name: 'session',
  topic: 'usage.session',
  eventType: 'usage.session.v1',
  passesPrecheck: (data) => isDuration(data) && isVariant(data['service'], data['variant']),
  usagesOf(data) {
    const used = durationOf(data);
    return used === undefined ? negativeDuration(data) : [{ meter: meterOf(data), used }];
  },
});

function isVariant(service: unknown, variant: unknown): boolean {
  if (service === 'webrtc') return true;
  const variants = VARIANTS.get(service);
  if (!variants) return false;
  return variant === undefined || variant === null || variants.includes(variant);
}

function meterOf(data: SessionData): Meter {
  switch (data.service) {
    case 'webrtc':
      return 'session.webrtc';
    case 'sip':
      return SIP[data.variant ?? 'third_party'];
    case 'ingress':
      return INGRESS[data.variant ?? 'transcoded'];
    case 'egress':
      return EGRESS[data.variant ?? 'video'];
    case 'connector':
      return CONNECTOR[data.variant ?? 'other'];
  }
}
