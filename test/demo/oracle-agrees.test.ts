import { usageConsumers } from '../../consumers';
import { rateMessage } from '../../consumers/rate-message';
import { createOracle } from '../../src/demo/oracle';
import { createWorkload } from '../../src/demo/workload';
import { createBillingCalendar } from '../../src/rating/billing-calendar';
import { meterKey } from '../../src/rating/meters';
import { roundingTable } from '../../src/rating/rounding';

const PROJECTS = ['acme', 'beta', '__proto__', 'constructor'];
const context = {
  rounding: roundingTable('per-minute'),
  calendar: createBillingCalendar('UTC'),
  limits: { futureMs: 3_600_000, pastMs: 400 * 86_400_000 },
};

test.each([1, 2, 3, 4, 5])('rating agrees with the oracle, event by event (seed %i)', (seed) => {
  const oracle = createOracle();
  const totals = new Map<string, bigint>();
  const reasons: Record<string, number> = {};
  const seen = new Set<string>();
  for (const record of createWorkload({
    seed,
    month: '2026-10',
    events: 20_000,
    projects: PROJECTS,
    malformed: 0.02,
  })) {
    oracle.add(record);
    const consumer = usageConsumers.find(({ topic }) => topic === record.topic)!;
    const rated = rateMessage(consumer, { offset: 0, ...record }, context);
    if (!rated.ok) {
      reasons[rated.reason] = (reasons[rated.reason] ?? 0) + 1;
      continue;
    }
    const { project, source, id, month, usages } = rated.event;
    const identity = JSON.stringify([record.topic, project, source, id]);
    if (seen.has(identity)) continue;
    seen.add(identity);
    for (const { meter, model, quantity } of usages) {
      const name = `${project} ${month} ${meterKey(meter, model)}`;
      totals.set(name, (totals.get(name) ?? 0n) + BigInt(quantity));
    }
  }
  const expected = new Map<string, bigint>();
  for (const [project, months] of oracle.totals) {
    for (const [month, meters] of months) {
      for (const [meter, quantity] of meters) expected.set(`${project} ${month} ${meter}`, quantity);
    }
  }
  expect(Object.fromEntries([...totals].map(([name, sum]) => [name, String(sum)]))).toEqual(
    Object.fromEntries([...expected].map(([name, sum]) => [name, String(sum)])),
  );
  expect(reasons).toEqual(oracle.counts.deadLetters);
  expect(Object.keys(reasons).sort()).toEqual([
    'from_the_future',
    'malformed_json',
    'negative_duration',
    'schema_violation',
    'too_large',
    'too_old',
    'wrong_type',
  ]);
});

test('the workload is the same for the same seed, and has the shares it was asked for', () => {
  const options = { seed: 7, month: '2026-10', events: 30_000, projects: PROJECTS };
  const first = createOracle();
  const digest: string[] = [];
  for (const record of createWorkload(options)) {
    first.add(record);
    digest.push(`${record.topic} ${record.key} ${record.value?.toString('latin1')} ${record.timestampMs}`);
  }
  let at = 0;
  for (const record of createWorkload(options)) {
    if (
      digest[at++] !==
      `${record.topic} ${record.key} ${record.value?.toString('latin1')} ${record.timestampMs}`
    ) {
      throw new Error(`record ${at} differs`);
    }
  }
  expect(first.counts.records).toBe(30_000);
  expect(first.counts.duplicates / 30_000).toBeCloseTo(0.02, 2);
  const early = [...first.totals.values()].filter((months) => months.has('2026-09'));
  expect(early.length).toBeGreaterThan(0);
});

describe('the oracle itself', () => {
  const session = (id: string, durationMs: number, time = '2026-10-14T09:31:10Z') => ({
    topic: 'usage.session',
    key: 'acme',
    timestampMs: Date.parse('2026-10-14T09:31:10Z'),
    value: Buffer.from(
      JSON.stringify({
        specversion: '1.0',
        id,
        source: '/sfu',
        type: 'usage.session.v1',
        subject: 'acme',
        time,
        data: { service: 'webrtc', durationMs },
      }),
    ),
  });
  const webrtc = (lengthsMs: number[]): bigint | undefined => {
    const oracle = createOracle();
    lengthsMs.forEach((lengthMs, id) => oracle.add(session(String(id), lengthMs)));
    return oracle.totals.get('acme')?.get('2026-10')?.get('session.webrtc');
  };

  test('counts 10 s as a minute, 70 s as two, and two connections of 10 s as two', () => {
    expect(webrtc([10_000])).toBe(60n);
    expect(webrtc([70_000])).toBe(120n);
    expect(webrtc([10_000, 10_000])).toBe(120n); // The ceiling of the sum would be 60.
  });

  test('puts usage of a closed month into the next one', () => {
    const oracle = createOracle();
    oracle.closeMonth('2026-09');
    oracle.add(session('1', 10_000, '2026-09-30T23:59:59.999Z'));
    expect(oracle.totals.get('acme')?.get('2026-10')?.get('2026-09@session.webrtc')).toBe(60n);
  });
});
