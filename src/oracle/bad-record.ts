import { isoOf } from './timestamp';
import type { EventDraft, Topic } from './usage-draft';
import { binary, json, structured, type WorkloadRecord } from './write-record';

type Bad = Pick<WorkloadRecord, 'value' | 'headers'>;
type Spoil = (draft: EventDraft, timestampMs: number) => Bad;

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** `data` that is not valid in any event of the topic. */
const BAD_DATA: Readonly<Record<Topic, readonly unknown[]>> = {
  'usage.session': [
    { service: 'fax', durationMs: 1 },
    { service: 'sip', variant: 'video', durationMs: 1 },
    { service: 'webrtc', durationMs: -1 },
    { service: 'webrtc', startedAt: '2026-01-01T00:00:00Z' },
  ],
  'usage.transfer': [
    { service: 'webrtc', direction: 'sideways', bytes: 1 },
    { service: 'webrtc', direction: 'upstream', bytes: '007' },
    { direction: 'upstream', bytes: 1 },
    { service: 'webrtc', direction: 'upstream', bytes: 2 ** 53 },
  ],
  'usage.agent': [
    { durationMs: 1, recorded: 'yes' },
    { durationMs: 1, observabilityEvents: 0.5 },
    { recorded: true },
    { durationMs: null },
  ],
  'usage.inference': [
    { kind: 'vad', model: 'silero' },
    { kind: 'llm', model: 'openai/gpt-5', inputTokens: 1, cachedInputTokens: 2, outputTokens: 1 },
    { kind: 'tts', characters: 1 },
    { kind: 'stt', model: '', durationMs: 1 },
  ],
};

/** Data with an invalid duration. A transfer has no duration, so there the data are just wrong. */
const UNTIMED_DATA: Readonly<Record<Topic, Record<string, unknown>>> = {
  'usage.session': { service: 'webrtc' },
  'usage.transfer': {},
  'usage.agent': {},
  'usage.inference': { kind: 'stt', model: 'deepgram/nova-3' },
};

/** Changes attributes; `undefined` removes one. */
const attributes =
  (changes: (draft: EventDraft, timestampMs: number) => Record<string, unknown>): Spoil =>
  (draft, timestampMs) => ({ value: json({ ...structured(draft), ...changes(draft, timestampMs) }) });
const text =
  (spoil: (good: string) => string): Spoil =>
  (draft) => ({ value: Buffer.from(spoil(JSON.stringify(structured(draft)))) });
const data = (index: number): Spoil => attributes(({ topic }) => ({ data: BAD_DATA[topic][index] }));

const spoils: readonly Spoil[] = [
  text((good) => good.padEnd(1_048_577)),
  () => ({ value: null }),
  () => ({ value: Buffer.alloc(0) }),
  text((good) => good.slice(0, -1)),
  text((good) => `${good} {}`),
  text((good) => `\ufeff${good}`),
  text((good) => good.replace('"specversion":"1.0"', '"specversion":NaN')),
  () => ({ value: Buffer.from([0x7b, 0xff, 0x7d]) }),
  (draft) => ({ ...binary(draft), value: null }),
  text((good) => `[${good}]`),
  attributes(() => ({ specversion: '0.3' })),
  attributes(() => ({ id: null })),
  attributes(() => ({ id: 'x'.repeat(257) })),
  attributes(({ source }) => ({ source: `${source} ` })),
  attributes(() => ({ subject: undefined })),
  attributes(({ project }) => ({ subject: `${project}/1` })),
  attributes(() => ({ time: '2026-02-30T00:00:00Z' })),
  attributes((_, timestampMs) => ({ time: isoOf(timestampMs).slice(0, -1) })),
  (draft) => {
    const { headers, value } = binary(draft);
    const { ce_time: _, ...others } = headers;
    return { headers: others, value };
  },
  attributes(({ topic }) => ({ type: `${topic}.v2` })),
  attributes(({ topic }) => ({ type: topic === 'usage.agent' ? 'usage.session.v1' : 'usage.agent.v1' })),
  (draft) => ({ ...binary(draft), value: json(structured(draft)) }),
  attributes(() => ({ data: undefined })),
  data(0),
  data(1),
  data(2),
  data(3),
  attributes(({ topic }, timestampMs) => ({
    data: { ...UNTIMED_DATA[topic], startedAt: isoOf(timestampMs, 1), endedAt: isoOf(timestampMs, 0) },
  })),
  attributes(({ topic }, timestampMs) => ({
    data: {
      ...UNTIMED_DATA[topic],
      startedAt: isoOf(timestampMs - 31 * DAY_MS, 0),
      endedAt: isoOf(timestampMs, 1),
    },
  })),
  attributes((_, timestampMs) => ({ time: isoOf(timestampMs + HOUR_MS, 1) })),
  attributes((_, timestampMs) => ({ time: isoOf(timestampMs - 400 * DAY_MS - 1, 999_999) })),
];

/** How many kinds of bad events there are. */
export const badKinds = spoils.length;

/**
 * A bad event made of a good one: of every kind in turn, so that any `badKinds` of them contain
 * each kind once.
 */
export function badRecord(number: number, draft: EventDraft, timestampMs: number): WorkloadRecord {
  const spoiled = spoils[number % spoils.length]!(draft, timestampMs);
  return { topic: draft.topic, key: draft.project, ...spoiled, timestampMs };
}
