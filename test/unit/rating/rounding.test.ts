import fc from 'fast-check';
import { durationOfMs } from '../../../src/rating/duration';
import { parseInstant } from '../../../src/rating/instant';
import type { Meter } from '../../../src/rating/meters';
import {
  policyAt,
  roundingTable,
  roundUp,
  type RoundingName,
  type RoundingPolicy,
} from '../../../src/rating/rounding';
import type { Duration } from '../../../src/rating/usage';

function policyOf(
  meter: Meter,
  time = '2026-10-14T00:00:00Z',
  name: RoundingName = 'per-minute',
): RoundingPolicy {
  return policyAt(roundingTable(name), meter, parseInstant(time)!);
}

/**
 * Adds increments until the usage fits in: slow, and without any division. In billionths of a base
 * unit.
 */
function roundedByCounting(used: Duration | number, { increment, minimum }: RoundingPolicy): string {
  const unit = 1_000_000_000n;
  const billionths =
    typeof used === 'number' ? BigInt(used) * unit : BigInt(used.seconds) * unit + BigInt(used.nanos);
  if (billionths <= 0n) return '0';
  let quantity = 0n;
  while (quantity * unit < billionths) quantity += BigInt(increment);
  return String(quantity > BigInt(minimum) ? quantity : BigInt(minimum));
}

/** The rule as it is written, on BigInt. */
function roundedByRule(used: Duration | number, { increment, minimum }: RoundingPolicy): string {
  const nanos =
    typeof used === 'number'
      ? BigInt(used) * 10n ** 9n
      : BigInt(used.seconds) * 10n ** 9n + BigInt(used.nanos);
  const step = BigInt(increment) * 10n ** 9n;
  const steps = nanos % step === 0n ? nanos / step : nanos / step + 1n;
  const quantity = steps * BigInt(increment);
  return String(nanos <= 0n ? 0n : quantity < BigInt(minimum) ? BigInt(minimum) : quantity);
}

describe('the default policy', () => {
  test.each<[string, Duration, string]>([
    ['nothing', { seconds: 0, nanos: 0 }, '0'],
    ['a nanosecond', { seconds: 0, nanos: 1 }, '60'],
    ['10 s: one minute', durationOfMs(10_000), '60'],
    ['59.999999999 s', { seconds: 59, nanos: 999_999_999 }, '60'],
    ['60 s: one minute', durationOfMs(60_000), '60'],
    ['60 s and a nanosecond: two', { seconds: 60, nanos: 1 }, '120'],
    ['60.0000001 s: two', { seconds: 60, nanos: 100 }, '120'],
    ['70 s: two minutes', durationOfMs(70_000), '120'],
    ['120 s', durationOfMs(120_000), '120'],
    ['2^53-1 ms', durationOfMs(Number.MAX_SAFE_INTEGER), '9007199254800'],
  ])('time: %s', (_, used, expected) => {
    for (const meter of [
      'session.webrtc',
      'session.egress.track',
      'agent.session',
      'agent.recording',
      'agent.voice_isolation',
      'session.connector.whatsapp',
      'session.connector.other',
    ] as const) {
      expect(roundUp(used, policyOf(meter))).toBe(expected);
    }
  });

  test.each([
    [0, '0'],
    [-0, '0'],
    [1, '10000000'],
    [9_999_999, '10000000'],
    [10_000_000, '10000000'],
    [10_000_001, '20000000'],
    [9_007_199_250_000_000, '9007199250000000'],
    [9_007_199_250_000_001, '9007199260000000'],
    [Number.MAX_SAFE_INTEGER, '9007199260000000'],
  ])('transfer: %d bytes', (used, expected) => {
    expect(roundUp(used, policyOf('transfer.downstream'))).toBe(expected);
    expect(roundUp(used, policyOf('transfer.upstream'))).toBe(expected);
  });

  test('speech to text: whole seconds', () => {
    expect(roundUp({ seconds: 61, nanos: 0 }, policyOf('inference.stt'))).toBe('61');
    expect(roundUp({ seconds: 61, nanos: 1 }, policyOf('inference.stt'))).toBe('62');
    expect(roundUp({ seconds: 0, nanos: 1 }, policyOf('inference.stt'))).toBe('1');
  });

  test('tokens, characters and events as they are', () => {
    for (const meter of [
      'inference.llm.input',
      'inference.llm.cached_input',
      'inference.tts',
      'agent.events',
    ] as const) {
      for (const used of [0, 1, 85, Number.MAX_SAFE_INTEGER]) {
        expect(roundUp(used, policyOf(meter))).toBe(String(used));
      }
    }
  });

  test('holds at all times, also after the announced change', () => {
    for (const time of [
      '1990-01-01T00:00:00Z',
      '2026-08-23T23:59:59Z',
      '2026-08-24T00:00:00Z',
      '2099-01-01T00:00:00Z',
    ]) {
      expect(policyOf('session.webrtc', time)).toMatchObject({ increment: 60, minimum: 60 });
    }
  });
});

describe('the policy by the second', () => {
  test.each([
    ['2026-08-23T23:59:59.999999999Z', 60],
    ['2026-08-24T01:59:59.999999999+02:00', 60],
    ['2026-08-24T00:00:00Z', 11],
    ['2026-08-24T02:00:00+02:00', 11],
  ])('begins on 2026-08-24 in UTC: 10.5 s at %s', (time, expected) => {
    expect(roundUp(durationOfMs(10_500), policyOf('session.webrtc', time, 'per-second'))).toBe(
      String(expected),
    );
  });

  test.each([
    [0, '0'],
    [1, '10'],
    [9_999, '10'],
    [10_000, '10'],
    [10_001, '11'],
    [61_000, '61'],
  ])('%d ms', (durationMs, expected) => {
    for (const meter of [
      'session.webrtc',
      'session.sip.us_local',
      'session.egress.video',
      'agent.session',
    ] as const) {
      expect(roundUp(durationOfMs(durationMs), policyOf(meter, undefined, 'per-second'))).toBe(expected);
    }
  });

  test('has no minimum for speech to text, and changes nothing but time', () => {
    expect(roundUp(durationOfMs(1), policyOf('inference.stt', undefined, 'per-second'))).toBe('1');
    for (const meter of [
      'transfer.downstream',
      'inference.llm.output',
      'inference.tts',
      'agent.events',
    ] as const) {
      expect(policyOf(meter, undefined, 'per-second')).toBe(policyOf(meter));
    }
  });
});

describe('any policy and any usage', () => {
  const policies = fc.record({
    increment: fc.integer({ min: 1, max: 100_000_000 }),
    minimum: fc.integer({ min: 0, max: 1e9 }),
  });

  test('a duration is rounded as the rule says', () => {
    const durations = fc.record({
      seconds: fc.oneof(
        fc.nat(200),
        fc.maxSafeNat().map((ms) => Math.floor(ms / 1000)),
      ),
      nanos: fc.oneof(fc.constantFrom(0, 1, 999_999_999), fc.nat(999_999_999)),
    });
    fc.assert(
      fc.property(durations, policies, (used, policy) => {
        expect(roundUp(used, policy)).toBe(roundedByRule(used, policy));
      }),
      { numRuns: 1_000 },
    );
  });

  test('an integer is rounded as the rule says, up to 2^53-1', () => {
    const integers = fc.oneof(
      fc.nat(1_000),
      fc.maxSafeNat(),
      fc.nat(2_000).map((n) => Number.MAX_SAFE_INTEGER - n),
    );
    fc.assert(
      fc.property(integers, policies, (used, policy) => {
        expect(roundUp(used, policy)).toBe(roundedByRule(used, policy));
      }),
      { numRuns: 1_000 },
    );
  });

  test('as counting increments gives it', () => {
    const small = { increment: fc.integer({ min: 1, max: 90 }), minimum: fc.nat(200) };
    const durations = fc.record({
      seconds: fc.nat(300),
      nanos: fc.constantFrom(0, 1, 500_000_000, 999_999_999),
    });
    fc.assert(
      fc.property(fc.oneof(durations, fc.nat(300)), fc.record(small), (used, policy) => {
        expect(roundUp(used, policy)).toBe(roundedByCounting(used, policy));
      }),
    );
  });
});
