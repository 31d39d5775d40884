import { createOracle } from '../../../src/oracle/usage-oracle';
import type { Rounding } from '../../../src/oracle/oracle-reading';
import type { WorkloadRecord } from '../../../src/oracle/workload';

interface Usage {
  readonly id: string;
  readonly seconds?: number;
  readonly time?: string;
  readonly subject?: string;
  readonly source?: string;
  readonly data?: Record<string, unknown>;
}

/** A record of a WebRTC connection, published when it ended. */
function session({
  id,
  seconds = 10,
  time = '2026-10-14T09:31:10Z',
  subject = 'acme',
  source = '/sfu',
  data,
}: Usage): WorkloadRecord {
  const event = {
    specversion: '1.0',
    id,
    source,
    type: 'usage.session.v1',
    subject,
    time,
    data: data ?? { service: 'webrtc', durationMs: seconds * 1000 },
  };
  return {
    topic: 'usage.session',
    key: subject,
    timestampMs: Date.parse(time),
    value: Buffer.from(JSON.stringify(event)),
  };
}

function recount(usages: readonly Usage[], rounding: Rounding = 'per-minute') {
  const oracle = createOracle({ rounding });
  for (const usage of usages) oracle.add(session(usage));
  return oracle;
}

const webrtcOf = (seconds: readonly number[], rounding?: Rounding): bigint | undefined =>
  recount(
    seconds.map((length, number) => ({ id: String(number), seconds: length })),
    rounding,
  )
    .totals.get('acme')
    ?.get('2026-10')
    ?.get('session.webrtc');

test.each<[number[], bigint | undefined]>([
  [[10], 60n],
  [[70], 120n],
  [[60], 60n],
  [[60.001], 120n],
  [[0], undefined],
  // The ceiling of the sum would be one minute, then two.
  [[10, 10], 120n],
  [[30, 61], 180n],
])('connections of %p s add up to %p s', (seconds, total) => {
  expect(webrtcOf(seconds)).toBe(total);
});

test.each<[number[], bigint | undefined]>([
  [[0], undefined],
  [[0.001], 10n],
  [[10], 10n],
  [[10.001], 11n],
  [[70], 70n],
  [[1, 1], 20n],
])('by the second, connections of %p s add up to %p s', (seconds, total) => {
  expect(webrtcOf(seconds, 'per-second')).toBe(total);
});

test('a nanosecond begins another minute', () => {
  const data = {
    service: 'webrtc',
    startedAt: '2026-10-14T09:00:00Z',
    endedAt: '2026-10-14T09:01:00.000000001Z',
  };
  expect(
    recount([{ id: '1', data }])
      .totals.get('acme')
      ?.get('2026-10')
      ?.get('session.webrtc'),
  ).toBe(120n);
});

test('the first of an identity counts, whatever its repeats say', () => {
  const { totals, counts } = recount([
    { id: '1', seconds: 10 },
    { id: '1', seconds: 10 },
    { id: '1', seconds: 500 },
    { id: '1', seconds: 10, time: '2026-11-14T09:31:10Z' },
    { id: '1', seconds: 10, source: '/other' },
    { id: '1', seconds: 10, subject: 'beta' },
  ]);
  expect(totals).toEqual(
    new Map([
      ['acme', new Map([['2026-10', new Map([['session.webrtc', 120n]])]])],
      ['beta', new Map([['2026-10', new Map([['session.webrtc', 60n]])]])],
    ]),
  );
  expect(counts).toEqual({
    records: 6,
    counted: 3,
    duplicates: 3,
    voided: 0,
    unknownVoids: 0,
    deadLetters: {},
  });
});

test('a bad event takes no identity', () => {
  const { totals, counts } = recount([
    { id: '1', data: { service: 'webrtc' } },
    { id: '1', seconds: 10 },
    { id: '1', data: { service: 'fax', durationMs: 1 } },
  ]);
  expect(totals.get('acme')?.get('2026-10')?.get('session.webrtc')).toBe(60n);
  expect(counts).toEqual({
    records: 3,
    counted: 1,
    duplicates: 0,
    voided: 0,
    unknownVoids: 0,
    deadLetters: { schema_violation: 2 },
  });
});

test('usage of a closed month is billed in the first open one, under its own month and day', () => {
  const oracle = createOracle();
  oracle.add(session({ id: '1', time: '2026-09-30T23:59:59.999Z' }));
  oracle.closeMonth('2026-09');
  oracle.add(session({ id: '1', time: '2026-09-30T23:59:59.999Z' }));
  oracle.add(session({ id: '2', time: '2026-09-30T23:59:59.999Z' }));
  oracle.add(session({ id: '3', time: '2026-10-01T00:00:00Z' }));
  oracle.closeMonth('2026-10');
  oracle.add(session({ id: '4', time: '2026-09-02T00:00:00Z' }));
  expect(oracle.totals.get('acme')).toEqual(
    new Map([
      ['2026-09', new Map([['session.webrtc', 60n]])],
      ['2026-10', new Map([['2026-09@session.webrtc', 60n], ['session.webrtc', 60n]])],
      ['2026-11', new Map([['2026-09@session.webrtc', 60n]])],
    ]),
  ); // prettier-ignore
  expect(oracle.daily.get('acme')).toEqual(
    new Map([
      ['2026-09', new Map([['2026-09-30/session.webrtc', 60n]])],
      ['2026-10', new Map([['2026-09-30/session.webrtc', 60n], ['2026-10-01/session.webrtc', 60n]])],
      ['2026-11', new Map([['2026-09-02/session.webrtc', 60n]])],
    ]),
  ); // prettier-ignore
  expect(oracle.counts.duplicates).toBe(1);
});

test('a void takes its event back once, before it or after it; one that says something else is refused', () => {
  const oracle = createOracle();
  const voidOf = (data: Parameters<typeof session>[0]): ReturnType<typeof session> => {
    const record = session(data);
    const {
      subject,
      source,
      id,
      type,
      time,
      data: said,
    } = JSON.parse(String(record.value)) as Record<string, unknown>;
    const event = { specversion: '1.0', id: 'v', source: '/desk', type: 'usage.void.v1', subject, time };
    return {
      ...record,
      value: Buffer.from(JSON.stringify({ ...event, data: { source, id, type, time, data: said } })),
    };
  };
  for (const id of ['1', '2']) oracle.add(session({ id, seconds: 10 }));
  expect(oracle.add(voidOf({ id: '1', seconds: 121 }))).toBe('void_mismatch');
  for (const id of ['1', '1', '3']) oracle.add(voidOf({ id, seconds: 10 }));
  oracle.add(session({ id: '3', seconds: 10 }));
  expect(oracle.totals.get('acme')?.get('2026-10')).toEqual(new Map([['session.webrtc', 60n]]));
  expect(oracle.counts).toMatchObject({ counted: 2, voided: 1, unknownVoids: 1, duplicates: 2 });
});
