/** What a meter counts. Totals hold whole base units. */
export type BaseUnit = 'second' | 'byte' | 'event' | 'token' | 'character';

/** Every meter with its base unit. Inference meters are kept by model. */
export const meters = {
  'session.webrtc': 'second',
  'session.sip.third_party': 'second',
  'session.sip.us_local': 'second',
  'session.sip.us_toll_free': 'second',
  'session.ingress.transcoded': 'second',
  'session.ingress.passthrough': 'second',
  'session.egress.video': 'second',
  'session.egress.audio_only': 'second',
  'session.egress.track': 'second',
  'transfer.downstream': 'byte',
  'transfer.upstream': 'byte',
  'agent.session': 'second',
  'agent.recording': 'second',
  'agent.events': 'event',
  'inference.stt': 'second',
  'inference.llm.input': 'token',
  'inference.llm.cached_input': 'token',
  'inference.llm.output': 'token',
  'inference.tts': 'character',
} as const satisfies Record<string, BaseUnit>;

export type Meter = keyof typeof meters;

/** The name a total goes by: `session.webrtc`, `inference.stt/deepgram/nova-3`. */
export function meterKey(meter: Meter, model?: string): string {
  return model === undefined ? meter : `${meter}/${model}`;
}

/** Takes a total's name apart again. A model may hold slashes: only the first one separates. */
export function splitMeterKey(key: string): { meter: string; model?: string } {
  const slash = key.indexOf('/');
  return slash < 0 ? { meter: key } : { meter: key.slice(0, slash), model: key.slice(slash + 1) };
}
