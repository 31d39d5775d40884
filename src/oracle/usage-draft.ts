import type { Random } from './random';
import { isoOf } from './timestamp';

export type Topic = 'usage.session' | 'usage.transfer' | 'usage.agent' | 'usage.inference';

/** A valid event, before it is written as a record. */
export interface EventDraft {
  readonly topic: Topic;
  readonly id: string;
  readonly source: string;
  readonly project: string;
  readonly time: string;
  readonly data: Record<string, unknown>;
  /** The event's type; the topic's by default. */
  readonly type?: string;
}

/** Each model must have a price in the built-in catalog, under its name or an alias. */
export const models = {
  stt: [
    'deepgram/nova-3',
    'deepgram/nova-3-multilingual',
    'deepgram/nova-3:multi',
    'assemblyai/universal-streaming',
    'cartesia/ink-whisper',
  ],
  llm: [
    'openai/gpt-4.1-mini',
    'gpt-4.1-mini',
    'openai/gpt-4o-mini',
    'openai/gpt-5',
    'google/gemini-2.5-flash',
    'baseten/gpt-oss-120b',
    'groq/gpt-oss-120b',
  ],
  tts: ['cartesia/sonic', 'cartesia/sonic-3', 'deepgram/aura-2', 'elevenlabs/eleven_flash_v2_5', 'rime/mist'],
} as const;

const SOURCES = ['us-east-1a', 'us-west-2b', 'eu-central-1a', 'ap-south-1c'].map(
  (region) => `/sfu/${region}`,
);
const ID_PREFIXES = {
  'usage.session': 'PA_',
  'usage.transfer': 'PA_',
  'usage.agent': 'AJ_',
  'usage.inference': 'REQ_',
};
const SERVICES = ['webrtc', 'webrtc', 'webrtc', 'sip', 'ingress', 'egress', 'connector'] as const;
const VARIANTS = {
  webrtc: [undefined, undefined, undefined, null, 'third_party'],
  sip: [undefined, 'third_party', 'us_local', 'us_toll_free'],
  ingress: [undefined, 'transcoded', 'passthrough'],
  egress: [null, 'video', 'audio_only', 'track'],
  // The others have no public price.
  connector: ['whatsapp'],
} as const;

/** A new event that ended in the millisecond `timeMs`. */
export function draftEvent(
  random: Random,
  topic: Topic,
  number: string,
  project: string,
  timeMs: number,
): EventDraft {
  return {
    topic,
    id: ID_PREFIXES[topic] + number,
    source: random.pick(SOURCES),
    project,
    time: timestampOf(random, timeMs),
    data: draftUsage(random, topic, timeMs),
  };
}

/** The data of an event: usual sizes, and sometimes an edge case of the rules. */
export function draftUsage(random: Random, topic: Topic, endMs: number): Record<string, unknown> {
  switch (topic) {
    case 'usage.session': {
      const service = random.pick(SERVICES);
      const variant = random.pick<string | null | undefined>(VARIANTS[service]);
      return { service, variant, ...durationOf(random, endMs, 3_600_000) };
    }
    case 'usage.transfer': {
      const bytes = random.chance(0.02)
        ? random.pick([0, 1, 9_999_999, 10_000_000, 10_000_001, 10_000_000_000])
        : random.between(1, 900_000_000);
      const direction = random.chance(0.7) ? 'downstream' : 'upstream';
      return { service: random.pick(SERVICES), direction, bytes: integerOf(random, bytes) };
    }
    case 'usage.agent': {
      const recorded = random.chance(0.4) ? true : random.pick([undefined, false, null]);
      const observabilityEvents = random.chance(0.5) ? integerOf(random, random.between(0, 400)) : undefined;
      const voiceIsolation = random.chance(0.3) ? true : random.pick([undefined, false, null]);
      return { recorded, voiceIsolation, observabilityEvents, ...durationOf(random, endMs, 1_800_000) };
    }
    case 'usage.inference':
      return draftInference(random, endMs);
  }
}

function draftInference(random: Random, endMs: number): Record<string, unknown> {
  const kind = random.pick(['stt', 'llm', 'llm', 'tts'] as const);
  const model = random.pick<string>(models[kind]);
  if (kind === 'stt') return { kind, model, ...durationOf(random, endMs, 1_200_000) };
  if (kind === 'tts') return { kind, model, characters: integerOf(random, random.between(0, 900)) };
  const inputTokens = random.between(1, 9_000);
  return {
    kind,
    model,
    inputTokens: integerOf(random, inputTokens),
    cachedInputTokens: random.chance(0.6) ? random.between(0, inputTokens) : undefined,
    outputTokens: random.between(0, 700),
  };
}

/**
 * A duration in one of its forms. Near an edge, a nanosecond more or less changes the minute.
 */
function durationOf(random: Random, endMs: number, mostMs: number): Record<string, unknown> {
  const isEdge = random.chance(0.05);
  const point = random.next();
  const lengthMs = isEdge
    ? random.pick([0, 1, 9_999, 10_000, 59_999, 60_000, 60_001, 120_000])
    : Math.floor(mostMs * point * point);
  if (random.chance(0.5)) return { durationMs: integerOf(random, lengthMs) };

  const startedAtMs = endMs - lengthMs;
  if (!isEdge && random.chance(0.5)) return { startedAt: isoOf(startedAtMs), endedAt: isoOf(endMs) };
  const startNanos = random.between(1, 999_998);
  const endNanos = startNanos + (lengthMs === 0 ? 0 : random.between(-1, 1));
  return { startedAt: isoOf(startedAtMs, startNanos), endedAt: isoOf(endMs, endNanos) };
}

/** Some producers send 64-bit integers as strings, as protobuf's JSON does. */
function integerOf(random: Random, value: number): number | string {
  return random.chance(0.2) ? String(value) : value;
}

/** A time in one of the forms that producers write, some with nanoseconds. */
function timestampOf(random: Random, epochMs: number): string {
  const form = random.next();
  if (form < 0.7) return isoOf(epochMs);
  if (form < 0.8) return isoOf(epochMs, random.pick([1, 999_999, random.between(0, 999_999)]));
  if (form < 0.9) return isoOf(epochMs + 2 * 3_600_000).replace('Z', '+02:00');
  if (form < 0.98) return isoOf(epochMs - 5.5 * 3_600_000, random.between(0, 999_999)).replace('Z', '-05:30');
  return isoOf(epochMs).toLowerCase();
}
