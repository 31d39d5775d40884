import { createRandom, type Random } from './random';

/** A record to publish. `topic` has no prefix. */
export interface WorkloadRecord {
  readonly topic: string;
  readonly key: string;
  readonly value: Buffer | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timestampMs: number;
}

export interface WorkloadOptions {
  readonly seed: number;
  /** `YYYY-MM`, in UTC. */
  readonly month: string;
  readonly events: number;
  readonly projects: readonly string[];
  /** Shares of all records. */
  readonly duplicates?: number;
  readonly malformed?: number;
  readonly monthBefore?: number;
}

/** How far a repeat may lie behind its first, in records. */
const REPEAT_DISTANCE = 5_000;
/** Records come out of order within about so long. */
const DISORDER_MS = 15 * 60_000;

const STT_MODELS = [
  'deepgram/nova-3',
  'deepgram/nova-3-multilingual',
  'assemblyai/universal-streaming',
  'cartesia/ink-whisper',
];
const LLM_MODELS = [
  'openai/gpt-4.1-mini',
  'openai/gpt-4o-mini',
  'openai/gpt-5',
  'google/gemini-2.5-flash',
  'groq/gpt-oss-120b',
];
const TTS_MODELS = ['cartesia/sonic', 'deepgram/aura-2', 'elevenlabs/eleven_flash_v2_5', 'rime/mist'];

interface Draft {
  readonly topic: string;
  readonly type: string;
  readonly id: string;
  readonly source: string;
  readonly project: string;
  readonly time: string;
  readonly data: Record<string, unknown>;
}

/**
 * A month of usage, the same for the same options: all four kinds, in structured and binary mode, with repeats (some
 * with another time or other data), events of the month before, disorder, and bad events of every kind.
 * Projects come by Zipf's law: the first is the largest. Holds some thousand records at a time.
 */
export function* createWorkload(options: WorkloadOptions): Generator<WorkloadRecord, void, undefined> {
  const { seed, month, events, projects } = options;
  const { duplicates = 0.02, malformed = 0.001, monthBefore = 0.01 } = options;
  const random = createRandom(seed);
  const pickProject = zipf(random, projects);
  const startMs = Date.parse(`${month}-01T00:00:00Z`);
  const endMs = Date.UTC(Number(month.slice(0, 4)), Number(month.slice(5)), 1);
  const recent: { draft: Draft; timestampMs: number }[] = [];

  for (let number = 0; number < events; number += 1) {
    // The stream advances evenly through the month; each usage ended a little before or after its place.
    const streamMs = startMs + Math.floor(((endMs - startMs) * number) / events);
    const timestampMs = streamMs + DISORDER_MS;
    if (random.chance(malformed)) {
      yield badRecord(random, number, pickProject(), timestampMs);
      continue;
    }
    if (recent.length > 0 && random.chance(duplicates)) {
      yield repeat(random, random.pick(recent), timestampMs);
      continue;
    }
    const early = random.chance(monthBefore);
    const timeMs = early
      ? startMs - random.between(1, 3 * 86_400_000)
      : Math.min(endMs - 1, Math.max(startMs, streamMs - random.between(0, 2 * DISORDER_MS) + DISORDER_MS));
    const draft = newDraft(random, `${seed}-${number}`, pickProject(), timeMs);
    const first = { draft, timestampMs };
    if (recent.length < REPEAT_DISTANCE) recent.push(first);
    else recent[random.between(0, REPEAT_DISTANCE - 1)] = first;
    yield write(random, draft, timestampMs);
  }
}

function zipf(random: Random, projects: readonly string[]): () => string {
  const bounds: number[] = [];
  let sum = 0;
  projects.forEach((_, rank) => bounds.push((sum += 1 / (rank + 1))));
  return () => {
    const point = random.next() * sum;
    let low = 0;
    let high = bounds.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (bounds[middle]! <= point) low = middle + 1;
      else high = middle;
    }
    return projects[low]!;
  };
}

function newDraft(random: Random, id: string, project: string, timeMs: number): Draft {
  const kind = random.next();
  const topic =
    kind < 0.5
      ? 'usage.session'
      : kind < 0.7
        ? 'usage.transfer'
        : kind < 0.8
          ? 'usage.agent'
          : 'usage.inference';
  return {
    topic,
    type: `${topic}.v1`,
    id,
    source: `/sfu/${random.pick(['us-east-1a', 'us-west-2b', 'eu-central-1a', 'ap-south-1c'])}`,
    project,
    time: timestamp(random, timeMs),
    data: dataOf(random, topic, timeMs),
  };
}

function dataOf(random: Random, topic: string, endMs: number): Record<string, unknown> {
  switch (topic) {
    case 'usage.session': {
      const service = random.pick(['webrtc', 'webrtc', 'webrtc', 'sip', 'ingress', 'egress']);
      const variants: Record<string, (string | undefined)[]> = {
        webrtc: [undefined],
        sip: [undefined, 'third_party', 'us_local', 'us_toll_free'],
        ingress: [undefined, 'transcoded', 'passthrough'],
        egress: [undefined, 'video', 'audio_only', 'track'],
      };
      const variant = random.pick(variants[service]!);
      return { service, ...(variant !== undefined && { variant }), ...duration(random, endMs, 900) };
    }
    case 'usage.transfer':
      return {
        service: random.pick(['webrtc', 'sip', 'ingress', 'egress']),
        direction: random.chance(0.7) ? 'downstream' : 'upstream',
        bytes: integer(
          random,
          random.chance(0.02) ? random.pick([0, 10_000_000, 10_000_001]) : random.between(1, 900_000_000),
        ),
      };
    case 'usage.agent':
      return {
        ...duration(random, endMs, 1_200),
        ...(random.chance(0.4) && { recorded: true }),
        ...(random.chance(0.5) && { observabilityEvents: integer(random, random.between(0, 400)) }),
      };
    default: {
      const kind = random.pick(['stt', 'llm', 'llm', 'tts']);
      if (kind === 'stt') return { kind, model: random.pick(STT_MODELS), ...duration(random, endMs, 600) };
      if (kind === 'tts')
        return { kind, model: random.pick(TTS_MODELS), characters: integer(random, random.between(0, 900)) };
      const inputTokens = random.between(1, 9_000);
      return {
        kind,
        model: random.pick(LLM_MODELS),
        inputTokens: integer(random, inputTokens),
        ...(random.chance(0.6) && { cachedInputTokens: random.between(0, inputTokens) }),
        outputTokens: random.between(0, 700),
      };
    }
  }
}

/** A duration in one of its forms, edges of a minute among them. */
function duration(random: Random, endMs: number, mostSeconds: number): Record<string, unknown> {
  const lengthMs = random.chance(0.05)
    ? random.pick([0, 1, 10_000, 59_999, 60_000, 60_001, 120_000])
    : random.between(1, mostSeconds * 1_000);
  if (random.chance(0.5)) return { durationMs: integer(random, lengthMs) };
  // A nanosecond more begins another minute at the edges.
  const nanos = random.chance(0.1) ? '000001' : '';
  return {
    startedAt: new Date(endMs - lengthMs).toISOString(),
    endedAt: new Date(endMs).toISOString().replace('Z', `${nanos}Z`),
  };
}

/** protobuf's JSON prints 64-bit integers as strings; some producers do. */
function integer(random: Random, value: number): number | string {
  return random.chance(0.2) ? String(value) : value;
}

function timestamp(random: Random, epochMs: number): string {
  if (random.chance(0.8)) return new Date(epochMs).toISOString();
  return new Date(epochMs + 2 * 3_600_000).toISOString().replace('Z', '+02:00');
}

/** A producer's retry: mostly the same again, sometimes with another time, rarely with other data. */
function repeat(
  random: Random,
  first: { draft: Draft; timestampMs: number },
  timestampMs: number,
): WorkloadRecord {
  const { draft } = first;
  if (random.chance(0.1))
    return write(random, { ...draft, time: new Date(timestampMs).toISOString() }, timestampMs);
  if (random.chance(0.05) && draft.topic === 'usage.transfer') {
    return write(random, { ...draft, data: { ...draft.data, bytes: 123_456_789 } }, timestampMs);
  }
  return write(random, draft, timestampMs);
}

function write(random: Random, draft: Draft, timestampMs: number): WorkloadRecord {
  const { topic, id, source, type, project, time, data } = draft;
  if (random.chance(0.1)) {
    return {
      topic,
      key: project,
      value: Buffer.from(JSON.stringify(data)),
      headers: {
        ce_specversion: '1.0',
        ce_id: id,
        ce_source: source,
        ce_type: type,
        ce_subject: project,
        ce_time: time,
      },
      timestampMs,
    };
  }
  const event = { specversion: '1.0', id, source, type, subject: project, time, data };
  return { topic, key: project, value: Buffer.from(JSON.stringify(event)), timestampMs };
}

/** A bad event of every kind in turn. */
function badRecord(random: Random, number: number, project: string, timestampMs: number): WorkloadRecord {
  const topic = 'usage.session';
  const good = {
    specversion: '1.0',
    id: `bad-${number}`,
    source: '/sfu/us-east-1a',
    type: 'usage.session.v1',
    subject: project,
    time: new Date(timestampMs - 60_000).toISOString(),
    data: { service: 'webrtc', durationMs: 61_000 } as Record<string, unknown>,
  };
  const json = (event: unknown): Buffer => Buffer.from(JSON.stringify(event));
  const values: (() => Buffer | null)[] = [
    () => null,
    () => Buffer.from('{"specversion":'),
    () => Buffer.from([0x7b, 0xff, 0x7d]),
    () => Buffer.from(`${JSON.stringify(good)} trailing`),
    () => json({ ...good, subject: undefined }),
    () => json({ ...good, id: null }),
    () => json({ ...good, time: '2026-02-30T00:00:00Z' }),
    () => json({ ...good, type: 'usage.agent.v1' }),
    () => json({ ...good, data: { service: 'fax', durationMs: 1 } }),
    () => json({ ...good, data: { service: 'webrtc', durationMs: -1 } }),
    () =>
      json({
        ...good,
        data: { service: 'webrtc', startedAt: '2026-01-01T00:01:00Z', endedAt: '2026-01-01T00:00:00Z' },
      }),
    () => json({ ...good, time: new Date(timestampMs + 2 * 3_600_000).toISOString() }),
    () => json({ ...good, time: new Date(timestampMs - 401 * 86_400_000).toISOString() }),
  ];
  const tooLarge = random.chance(0.02);
  const value = tooLarge ? Buffer.alloc(1_048_577, 0x20) : random.pick(values)();
  return { topic, key: project, value, timestampMs };
}
