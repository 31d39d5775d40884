import { consumerNamed } from '../../../consumers';
import { decodeEvent, type Decoded, type RawMessage } from '../../../consumers/decode/decode-event';

/** 400 days back and an hour ahead, as the contract has it. */
export const LIMITS = { futureMs: 3_600_000, pastMs: 400 * 86_400_000, durationMs: 31 * 86_400_000 };
export const TIME = '2026-10-14T09:31:10.2Z';
export const RECORD_MS = Date.parse(TIME);

export type Fields = Record<string, unknown>;

/** Good data of each topic, one a form. */
export const GOOD_DATA: Readonly<Record<string, readonly Fields[]>> = {
  session: [
    { service: 'webrtc', durationMs: 70_000 },
    { service: 'sip', variant: 'us_local', durationMs: '70000' },
    { service: 'ingress', variant: null, startedAt: '2026-10-14T09:30:00Z', endedAt: TIME },
    { service: 'egress', variant: 'track', startedAt: null, durationMs: 0 },
  ],
  transfer: [{ service: 'webrtc', direction: 'downstream', bytes: 10_000_001 }],
  agent: [
    { startedAt: '2026-10-14T09:30:00Z', endedAt: TIME, recorded: true, observabilityEvents: 3 },
    { durationMs: 5 },
  ],
  inference: [
    { kind: 'stt', model: 'deepgram/nova-3', durationMs: 61_500 },
    { kind: 'llm', model: 'openai/gpt-4.1', inputTokens: 1200, cachedInputTokens: 1024, outputTokens: '85' },
    { kind: 'tts', model: 'cartesia/sonic', characters: 112 },
  ],
};

/** A good event of a topic, with changes to its attributes; undefined leaves one out. */
export function event(
  changes: Fields = {},
  data: Fields = GOOD_DATA['session']![0]!,
  topic = 'session',
): Fields {
  return {
    specversion: '1.0',
    id: 'PA_1',
    source: '/sfu',
    type: `usage.${topic}.v1`,
    subject: 'acme',
    time: TIME,
    data,
    ...changes,
  };
}

export function messageOf(value: unknown, more: Partial<RawMessage> = {}): RawMessage {
  const bytes =
    Buffer.isBuffer(value) || value === null
      ? value
      : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));
  return { offset: 7, timestampMs: RECORD_MS, value: bytes, ...more };
}

/** Decodes a value (an event, a text or bytes) as a record of a topic. */
export function decode(value: unknown, more: Partial<RawMessage> = {}, topic = 'session'): Decoded {
  return decodeEvent(consumerNamed(topic), messageOf(value, more), LIMITS);
}

export function reasonOf(decoded: Decoded): string {
  return decoded.ok ? 'ok' : decoded.reason;
}
