/**
 * The only table of what the code knows about a meter. See "Adding a meter" in CONTRIBUTING.md.
 *
 * Totals are whole base units. Prices and invoice lines count in billing units.
 */
export const BILLING_UNITS = {
  second: { base: 'second', size: 1 },
  minute: { base: 'second', size: 60 },
  /** 10^9 bytes, as on the price page. With 2^30, every gigabyte would be 7 % cheaper. */
  GB: { base: 'byte', size: 1_000_000_000 },
  event: { base: 'event', size: 1 },
  token: { base: 'token', size: 1 },
  character: { base: 'character', size: 1 },
} as const;

/** The headings of usage on an invoice, in order. */
export const METER_GROUPS = [
  'Agents',
  'Realtime',
  'Telephony',
  'Recording and streaming',
  'Inference',
] as const;

/** How a single usage is rounded up. `rounding.ts` defines each name. */
export type RoundingRule = 'begun-minute' | 'begun-second' | 'hundredth-of-gb' | 'none';

export interface MeterRow {
  readonly unit: keyof typeof BILLING_UNITS;
  readonly rounding: RoundingRule;
  /** The name that customers see. */
  readonly label: string;
  readonly group: (typeof METER_GROUPS)[number];
  /**
   * A catalog may lack a price for it, because the price is not public or the catalog is older than
   * the meter. Its usage is held until there is a price.
   */
  readonly mayLackPrice?: true;
}

/**
 * Every meter, in the order of the lines of an invoice. Meters that begin with `inference.` are
 * kept by model.
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
