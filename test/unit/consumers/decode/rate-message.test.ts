import fc from 'fast-check';
import { consumerNamed } from '../../../../consumers';
import { rateMessage, type RatedMessage } from '../../../../consumers/decode/rate-message';
import { createBillingCalendar } from '../../../../src/rating/billing-calendar';
import { roundingTable, type RoundingName } from '../../../../src/rating/rounding';
import { event, LIMITS, messageOf, RECORD_MS, type Fields } from '../../../kit/usage/usage-events';

interface Setting {
  zone?: string;
  rounding?: RoundingName;
}

function rated(topic: string, data: Fields, changes: Fields = {}, setting: Setting = {}): RatedMessage {
  const time = (changes['time'] as string | undefined) ?? event()['time'];
  return rateMessage(
    consumerNamed(topic),
    messageOf(event(changes, data, topic), { timestampMs: Date.parse(time as string) }),
    {
      rounding: roundingTable(setting.rounding ?? 'per-minute'),
      calendar: createBillingCalendar(setting.zone ?? 'UTC'),
      limits: LIMITS,
    },
  );
}

const webrtc = (durationMs: unknown): Fields => ({ service: 'webrtc', durationMs });

test('a good record becomes a rated event', () => {
  expect(rated('session', webrtc(10_000))).toEqual({
    ok: true,
    event: {
      offset: 7,
      project: 'acme',
      source: '/sfu',
      id: 'PA_1',
      month: '2026-10',
      day: '2026-10-14',
      usages: [{ meter: 'session.webrtc', quantity: '60' }],
    },
  });
});

test('a bad one becomes its rejection', () => {
  expect(rated('session', webrtc(-1))).toMatchObject({ ok: false, reason: 'schema_violation' });
});

test.each([
  ['a connection of 10 s: 1 minute', 'session', webrtc(10_000), [60]],
  ['one of 70 s: 2 minutes', 'session', webrtc(70_000), [120]],
  ['60 s', 'session', webrtc(60_000), [60]],
  [
    '60 s and a nanosecond',
    'session',
    {
      service: 'webrtc',
      startedAt: '2026-10-14T09:30:00.000000001Z',
      endedAt: '2026-10-14T09:31:00.000000002Z',
    },
    [120],
  ],
  ['nothing', 'session', webrtc(0), []],
  ['0.01 GB', 'transfer', { service: 'sip', direction: 'upstream', bytes: 10_000_000 }, [10_000_000]],
  [
    '0.01 GB and a byte',
    'transfer',
    { service: 'sip', direction: 'upstream', bytes: '10000001' },
    [20_000_000],
  ],
  [
    'an agent recorded',
    'agent',
    { durationMs: 60_001, recorded: true, observabilityEvents: 9 },
    [120, 120, 9],
  ],
  ['no events', 'agent', { durationMs: 1, observabilityEvents: 0 }, [60]],
  ['STT of 61.5 s: 62 s', 'inference', { kind: 'stt', model: 'm', durationMs: 61_500 }, [62]],
  [
    'an LLM request all cached',
    'inference',
    { kind: 'llm', model: 'm', inputTokens: 9, cachedInputTokens: 9, outputTokens: 1 },
    [9, 1],
  ],
])('%s', (_, topic, data, quantities) => {
  const answer = rated(topic, data);
  expect(answer.ok && answer.event.usages.map(({ quantity }) => Number(quantity))).toEqual(quantities);
});

test.each([
  ['UTC', '2026-10-31T23:59:59.999999999Z', '2026-10', '2026-10-31'],
  ['UTC', '2026-11-01T00:00:00Z', '2026-11', '2026-11-01'],
  ['UTC', '2026-11-01T00:59:59+01:00', '2026-10', '2026-10-31'],
  ['America/New_York', '2026-11-01T03:59:59.999999999Z', '2026-10', '2026-10-31'],
  ['America/New_York', '2026-11-01T04:00:00Z', '2026-11', '2026-11-01'],
  // Clocks go back on November 1: the same wall clock stands an hour later.
  ['America/New_York', '2026-11-02T04:59:59.999999999Z', '2026-11', '2026-11-01'],
  ['America/New_York', '2026-12-01T04:59:59.999999999Z', '2026-11', '2026-11-30'],
  ['America/New_York', '2026-12-01T05:00:00Z', '2026-12', '2026-12-01'],
  ['Pacific/Kiritimati', '2026-10-31T09:59:59.999999999Z', '2026-10', '2026-10-31'],
  ['Pacific/Kiritimati', '2026-10-31T10:00:00Z', '2026-11', '2026-11-01'],
])('in %s the month of %s is %s', (zone, time, month, day) => {
  expect(rated('session', webrtc(1), { time }, { zone })).toMatchObject({ ok: true, event: { month, day } });
});

test("the event's time decides month and policy, whatever endedAt says", () => {
  const data = { service: 'webrtc', startedAt: '2026-08-31T23:00:00Z', endedAt: '2026-08-31T23:00:10.5Z' };
  const usages = (time: string) => {
    const answer = rated('session', data, { time }, { rounding: 'per-second' });
    return answer.ok && [answer.event.month, answer.event.usages[0]!.quantity];
  };
  expect(usages('2026-08-23T23:59:59.999999999Z')).toEqual(['2026-08', '60']);
  expect(usages('2026-09-01T00:00:00Z')).toEqual(['2026-09', '11']);
});

test('names are taken as they are', () => {
  for (const subject of ['__proto__', 'constructor', 'toString', '-', '_.']) {
    expect(rated('session', webrtc(1), { subject })).toMatchObject({ event: { project: subject } });
  }
  for (const id of ['\ud800', '\udc00\ud800', 'e\u0301', 'é', ' ', '\u0000', '__proto__', '😀'.repeat(256)]) {
    expect(rated('session', webrtc(1), { id })).toMatchObject({ event: { id } });
  }
  for (const model of ['__proto__', 'a/b/c', ' m ', 'ﬁ', '\ud800']) {
    expect(rated('inference', { kind: 'tts', model, characters: 1 })).toMatchObject({
      event: { usages: [{ meter: 'inference.tts', model, quantity: '1' }] },
    });
  }
});

test('the same record is rated the same by another process: nothing is kept from one to the next', () => {
  const other = rated('session', webrtc(70_000));
  rated('session', webrtc(1), { time: '2026-09-30T23:59:59Z' });
  expect(rated('session', webrtc(70_000))).toEqual(other);
});

describe('any session', () => {
  const MINUTE_NS = 60_000_000_000n;
  /** RFC 3339 of nanoseconds since the epoch, at an offset of hours. */
  const textOf = (nanos: bigint, hours: number): string => {
    const local = new Date(Number(nanos / 1_000_000n) + hours * 3_600_000).toISOString().slice(0, 19);
    const fraction = String(nanos % 1_000_000_000n).padStart(9, '0');
    return `${local}.${fraction}${hours < 0 ? '-' : '+'}${String(Math.abs(hours)).padStart(2, '0')}:00`;
  };
  const lengths = fc.oneof(
    fc.bigInt({ min: 0n, max: 10n ** 15n }),
    fc
      .tuple(fc.bigInt({ min: 0n, max: 100n }), fc.bigInt({ min: -2n, max: 2n }))
      .map(([minutes, more]) => (minutes * MINUTE_NS + more < 0n ? 0n : minutes * MINUTE_NS + more)),
  );

  test('of any length counts the minutes begun, whatever offsets its times are written with', () => {
    fc.assert(
      fc.property(
        lengths,
        fc.integer({ min: -12, max: 14 }),
        fc.integer({ min: -12, max: 14 }),
        (length, one, other) => {
          const end = BigInt(RECORD_MS) * 1_000_000n;
          const answer = rated('session', {
            service: 'webrtc',
            startedAt: textOf(end - length, one),
            endedAt: textOf(end, other),
          });
          let minutes = length / MINUTE_NS;
          if (minutes * MINUTE_NS < length) minutes += 1n;
          expect(answer.ok && answer.event.usages).toEqual(
            length === 0n ? [] : [{ meter: 'session.webrtc', quantity: String(minutes * 60n) }],
          );
        },
      ),
    );
  });
});
