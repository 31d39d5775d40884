import { parseInstant } from '../../../src/rating/instant';
import { rate } from '../../../src/rating/rate';
import { roundingTable } from '../../../src/rating/rounding';
import type { Usage } from '../../../src/rating/usage';

const perMinute = roundingTable('per-minute');
const at = (text: string) => parseInstant(text)!;
const NOON = at('2026-10-14T12:00:00Z');

test('each usage of an event is rounded by its own meter, and keeps its model', () => {
  const usages: Usage[] = [
    { meter: 'agent.session', used: { seconds: 61, nanos: 0 } },
    { meter: 'agent.events', used: 7 },
    { meter: 'transfer.downstream', used: 10_000_001 },
    { meter: 'inference.stt', model: 'deepgram/nova-3', used: { seconds: 61, nanos: 1 } },
    { meter: 'inference.tts', model: '__proto__', used: 3 },
  ];
  expect(rate(usages, NOON, perMinute)).toEqual([
    { meter: 'agent.session', quantity: '120' },
    { meter: 'agent.events', quantity: '7' },
    { meter: 'transfer.downstream', quantity: '20000000' },
    { meter: 'inference.stt', model: 'deepgram/nova-3', quantity: '62' },
    { meter: 'inference.tts', model: '__proto__', quantity: '3' },
  ]);
});

test('usages of zero are left out', () => {
  const usages: Usage[] = [
    { meter: 'inference.llm.input', model: 'm', used: 0 },
    { meter: 'inference.llm.cached_input', model: 'm', used: -0 },
    { meter: 'inference.llm.output', model: 'm', used: 1 },
    { meter: 'session.webrtc', used: { seconds: 0, nanos: 0 } },
  ];
  expect(rate(usages, NOON, perMinute)).toEqual([
    { meter: 'inference.llm.output', model: 'm', quantity: '1' },
  ]);
  expect(rate([], NOON, perMinute)).toEqual([]);
});

test('rounding comes before the sum: 2 connections of 10 s are 2 minutes', () => {
  const tenSeconds: Usage[] = [{ meter: 'session.webrtc', used: { seconds: 10, nanos: 0 } }];
  const quantities = [1, 2]
    .flatMap(() => rate(tenSeconds, NOON, perMinute))
    .map(({ quantity }) => Number(quantity));
  expect(quantities).toEqual([60, 60]);
});

test('a policy that changes in mid-month rounds each event by its own time, and the sum stays exact', () => {
  const used: Usage[] = [{ meter: 'session.webrtc', used: { seconds: 61, nanos: 0 } }];
  const table = roundingTable('per-second');
  const total = [
    '2026-08-02T00:00:00Z',
    '2026-08-23T23:59:59.999999999Z',
    '2026-08-24T00:00:00Z',
    '2026-08-30T00:00:00Z',
  ]
    .flatMap((time) => rate(used, at(time), table))
    .reduce((sum, { quantity }) => sum + BigInt(quantity), 0n);
  expect(total).toBe(120n + 120n + 61n + 61n);
});
