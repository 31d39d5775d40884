import { consumerNamed, consumerNames, usageConsumers } from '../../../consumers';
import type { Usage } from '../../../src/rating/usage';
import { decode, event, GOOD_DATA, TIME, type Fields } from '../../kit/usage/usage-events';

const seconds = (n: number, nanos = 0) => ({ seconds: n, nanos });

function usagesOf(topic: string, data: Fields): readonly Usage[] | string {
  const decoded = decode(event({}, data, topic), {}, topic);
  return decoded.ok ? decoded.usages : decoded.detail;
}

test('there is one consumer a topic', () => {
  expect(usageConsumers.map(({ name, topic, eventType }) => [name, topic, eventType])).toEqual([
    ['session', 'usage.session', 'usage.session.v1'],
    ['transfer', 'usage.transfer', 'usage.transfer.v1'],
    ['agent', 'usage.agent', 'usage.agent.v1'],
    ['inference', 'usage.inference', 'usage.inference.v1'],
  ]);
  expect(consumerNames.map(consumerNamed)).toEqual(usageConsumers);
  expect(() => consumerNamed('fax')).toThrow('there is no consumer "fax"');
});

test.each(Object.entries(GOOD_DATA).flatMap(([topic, all]) => all.map((data) => [topic, data] as const)))(
  '%s: %j is good',
  (topic, data) => {
    expect(typeof usagesOf(topic, data)).not.toBe('string');
  },
);

test.each([
  ['webrtc', undefined, 'session.webrtc'],
  ['webrtc', 'us_local', 'session.webrtc'],
  ['webrtc', 7, 'session.webrtc'],
  ['sip', undefined, 'session.sip.third_party'],
  ['sip', null, 'session.sip.third_party'],
  ['sip', 'third_party', 'session.sip.third_party'],
  ['sip', 'us_local', 'session.sip.us_local'],
  ['sip', 'us_toll_free', 'session.sip.us_toll_free'],
  ['ingress', undefined, 'session.ingress.transcoded'],
  ['ingress', 'transcoded', 'session.ingress.transcoded'],
  ['ingress', 'passthrough', 'session.ingress.passthrough'],
  ['egress', null, 'session.egress.video'],
  ['egress', 'video', 'session.egress.video'],
  ['egress', 'audio_only', 'session.egress.audio_only'],
  ['egress', 'track', 'session.egress.track'],
  ['connector', undefined, 'session.connector.other'],
  ['connector', 'other', 'session.connector.other'],
  ['connector', 'whatsapp', 'session.connector.whatsapp'],
])('session: %s, variant %s', (service, variant, meter) => {
  expect(usagesOf('session', { service, variant, durationMs: 5 })).toEqual([
    { meter, used: seconds(0, 5_000_000) },
  ]);
});

test.each([
  [{ durationMs: 70_000 }, seconds(70)],
  [{ durationMs: '70000' }, seconds(70)],
  [{ durationMs: 1e3 }, seconds(1)],
  [{ durationMs: 0 }, seconds(0)],
  [{ durationMs: '2678399999' }, seconds(2_678_399, 999_000_000)],
  [{ startedAt: '2026-10-14T09:30:00Z', endedAt: '2026-10-14T09:31:00.0000001Z' }, seconds(60, 100)],
  [{ startedAt: '2026-10-14T11:30:00+02:00', endedAt: '2026-10-14T09:30:00z' }, seconds(0)],
  [
    { startedAt: '2026-09-30T23:59:59.999999999Z', endedAt: '2026-10-01T00:00:00Z', durationMs: 99 },
    seconds(0, 1),
  ],
  [{ startedAt: TIME, endedAt: null, durationMs: 99 }, seconds(0, 99_000_000)],
  [{ endedAt: TIME, durationMs: 99 }, seconds(0, 99_000_000)],
])('a duration: %j', (data, used) => {
  expect(usagesOf('session', { service: 'webrtc', ...data })).toEqual([{ meter: 'session.webrtc', used }]);
});

test.each([
  ['downstream', 5, 'transfer.downstream', 5],
  ['upstream', '9007199254740991', 'transfer.upstream', Number.MAX_SAFE_INTEGER],
])('transfer: %s', (direction, bytes, meter, used) => {
  expect(usagesOf('transfer', { service: 'egress', direction, bytes })).toEqual([{ meter, used }]);
});

test.each<[Fields, Usage[]]>([
  [
    { durationMs: 5_000 },
    [
      { meter: 'agent.session', used: seconds(5) },
      { meter: 'agent.events', used: 0 },
    ],
  ],
  [
    { durationMs: 5_000, recorded: false, observabilityEvents: null },
    [
      { meter: 'agent.session', used: seconds(5) },
      { meter: 'agent.events', used: 0 },
    ],
  ],
  [
    { durationMs: 5_000, voiceIsolation: true, recorded: null },
    [
      { meter: 'agent.session', used: seconds(5) },
      { meter: 'agent.voice_isolation', used: seconds(5) },
      { meter: 'agent.events', used: 0 },
    ],
  ],
  [
    { durationMs: 5_000, recorded: true, observabilityEvents: '42' },
    [
      { meter: 'agent.session', used: seconds(5) },
      { meter: 'agent.recording', used: seconds(5) },
      { meter: 'agent.events', used: 42 },
    ],
  ],
])('agent: %j', (data, usages) => {
  expect(usagesOf('agent', data)).toEqual(usages);
});

const model = 'm/1';
test.each<[Fields, Usage[]]>([
  [{ kind: 'stt', durationMs: 61_001 }, [{ meter: 'inference.stt', model, used: seconds(61, 1_000_000) }]],
  [{ kind: 'tts', characters: '7' }, [{ meter: 'inference.tts', model, used: 7 }]],
  [
    { kind: 'llm', inputTokens: 10, cachedInputTokens: 4, outputTokens: 3 },
    [
      { meter: 'inference.llm.input', model, used: 6 },
      { meter: 'inference.llm.cached_input', model, used: 4 },
      { meter: 'inference.llm.output', model, used: 3 },
    ],
  ],
  [
    { kind: 'llm', inputTokens: '9007199254740991', outputTokens: 0 },
    [
      { meter: 'inference.llm.input', model, used: Number.MAX_SAFE_INTEGER },
      { meter: 'inference.llm.cached_input', model, used: 0 },
      { meter: 'inference.llm.output', model, used: 0 },
    ],
  ],
])('inference: %j', (data, usages) => {
  expect(usagesOf('inference', { ...data, model })).toEqual(usages);
});
