/**
 * Everything that is known of a meter: this is the only table. See "Adding a meter" in
 * CONTRIBUTING.md.
 *
 * Totals hold whole base units. A billing unit is what a price and an invoice line count in.
 */
export const BILLING_UNITS = {
  second: { base: 'second', size: 1 },
  minute: { base: 'second', size: 60 },
  /** 10^9 bytes, as the price page counts. 2^30 would make every gigabyte 7 % cheaper. */
  GB: { base: 'byte', size: 1_000_000_000 },
  event: { base: 'event', size: 1 },
  token: { base: 'token', size: 1 },
  character: { base: 'character', size: 1 },
} as const;

/** The headings of an invoice under which usage stands, in the order of the page. */
export const METER_GROUPS = [
  'Agents',
  'Realtime',
  'Telephony',
  'Recording and streaming',
  'Inference',
] as const;

/** How a single usage is rounded up. What each name means is in `rounding.ts`. */
export type RoundingRule = 'begun-minute' | 'begun-second' | 'hundredth-of-gb' | 'none';

export interface MeterRow {
  readonly unit: keyof typeof BILLING_UNITS;
  readonly rounding: RoundingRule;
  /** The name of the meter for whoever pays. */
  readonly label: string;
  readonly group: (typeof METER_GROUPS)[number];
  /**
   * A catalog may have no price for it: its price is not public, or catalogs were written before
   * the meter existed. Its usage is held until there is a price.
   */
  readonly mayLackPrice?: true;
}

/**
 * Every meter, in the order of an invoice's lines. Meters that begin with `inference.` are kept by
 * model.
 */
export const METERS = {
  'agent.session': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Agent sessions',
    group: 'Agents',
  },
  'agent.recording': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Agent session recordings',
    group: 'Agents',
  },
  'agent.events': {
    unit: 'event',
    rounding: 'none',
    label: 'Agent observability events',
    group: 'Agents',
  },
  'agent.voice_isolation': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Voice isolation',
    group: 'Agents',
    mayLackPrice: true,
  },
  'session.webrtc': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'WebRTC participants',
    group: 'Realtime',
  },
  'session.sip.third_party': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'SIP, third-party trunk',
    group: 'Telephony',
  },
  'session.sip.us_local': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'SIP, US local number',
    group: 'Telephony',
  },
  'session.sip.us_toll_free': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'SIP, US toll-free number',
    group: 'Telephony',
  },
  'session.connector.whatsapp': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Connector, WhatsApp',
    group: 'Telephony',
    mayLackPrice: true,
  },
  'session.connector.other': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Connector, other',
    group: 'Telephony',
    mayLackPrice: true,
  },
  'session.ingress.transcoded': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Stream import, transcoded',
    group: 'Recording and streaming',
  },
  'session.ingress.passthrough': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Stream import, passed through',
    group: 'Recording and streaming',
  },
  'session.egress.video': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Recording and export, video',
    group: 'Recording and streaming',
  },
  'session.egress.audio_only': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Recording and export, audio only',
    group: 'Recording and streaming',
  },
  'session.egress.track': {
    unit: 'minute',
    rounding: 'begun-minute',
    label: 'Recording and export, single track',
    group: 'Recording and streaming',
  },
  'transfer.downstream': {
    unit: 'GB',
    rounding: 'hundredth-of-gb',
    label: 'Downstream data transfer',
    group: 'Realtime',
  },
  'transfer.upstream': {
    unit: 'GB',
    rounding: 'hundredth-of-gb',
    label: 'Upstream data transfer',
    group: 'Realtime',
  },
  'inference.stt': {
    unit: 'second',
    rounding: 'begun-second',
    label: 'Speech-to-text',
    group: 'Inference',
  },
  'inference.llm.input': {
    unit: 'token',
    rounding: 'none',
    label: 'LLM input',
    group: 'Inference',
  },
  'inference.llm.cached_input': {
    unit: 'token',
    rounding: 'none',
    label: 'LLM cached input',
    group: 'Inference',
  },
  'inference.llm.output': {
    unit: 'token',
    rounding: 'none',
    label: 'LLM output',
    group: 'Inference',
  },
  'inference.tts': {
    unit: 'character',
    rounding: 'none',
    label: 'Text-to-speech',
    group: 'Inference',
  },
} as const satisfies Readonly<Record<string, MeterRow>>;
