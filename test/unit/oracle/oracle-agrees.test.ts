import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { consumerNamed } from '../../../consumers';
import { rateMessage } from '../../../consumers/decode/rate-message';
import { BadRecord, readRecord, type Rounding } from '../../../src/oracle/oracle-reading';
import { createWorkload, type WorkloadRecord } from '../../../src/oracle/workload';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { meterKey } from '../../../src/rating/meters';
import { roundingTable } from '../../../src/rating/rounding';
import { anyBytes, weirdRecord } from '../../kit/usage/weird-records';

const calendar = createBillingCalendar('UTC');
const limits = { futureMs: 3_600_000, pastMs: 400 * 86_400_000, durationMs: 31 * 86_400_000 };

/**
 * What production makes of a record, and what the oracle does: a reason, or the same facts in the
 * same words.
 */
function byConsumer(record: WorkloadRecord, rounding: Rounding): unknown {
  const consumer = consumerNamed(record.topic.replace('usage.', ''));
  const rated = rateMessage(
    consumer,
    { offset: 0, ...record },
    { rounding: roundingTable(rounding), calendar, limits },
  );
  if (!rated.ok) return rated.reason;
  const { project, source, id, day, month, usages, isVoid = false } = rated.event;
  expect(day.slice(0, 7)).toBe(month);
  return {
    identity: JSON.stringify([record.topic, project, source, id]),
    project,
    day,
    isVoid,
    quantities: Object.fromEntries(
      usages.map(({ meter, model, quantity }) => [meterKey(meter, model), quantity]),
    ),
  };
}

function byOracle(record: WorkloadRecord, rounding: Rounding): unknown {
  try {
    const { quantities, ...facts } = readRecord(record, rounding);
    const used = quantities.filter(([, quantity]) => quantity > 0n);
    return {
      ...facts,
      quantities: Object.fromEntries(used.map(([meter, quantity]) => [meter, String(quantity)])),
    };
  } catch (error) {
    if (error instanceof BadRecord) return error.reason;
    throw error;
  }
}

describe.each<Rounding>(['per-minute', 'per-second'])('rating agrees with the oracle, %s', (rounding) => {
  test.each([1, 2, 3])('on every event of a month (seed %i)', (seed) => {
    const projects = ['acme', 'beta', '__proto__', 'constructor'];
    const reasons = new Set<unknown>();
    const month = seed === 2 ? '2026-08' : '2026-10';
    for (const record of createWorkload({
      seed,
      month,
      events: 4_000,
      projects,
      malformed: 0.03,
      voids: 0.03,
    })) {
      const found = byConsumer(record, rounding);
      const expected = byOracle(record, rounding);
      if (!isDeepStrictEqual(found, expected)) expect(found).toEqual(expected);
      if (typeof found === 'string') reasons.add(found);
    }
    expect(reasons.size).toBe(8);
  });

  test('on weird events', () => {
    fc.assert(
      fc.property(weirdRecord, (record) => {
        expect(byConsumer(record, rounding)).toEqual(byOracle(record, rounding));
      }),
      { numRuns: 2_000 },
    );
  });

  test('on any bytes', () => {
    fc.assert(
      fc.property(anyBytes, (record) => {
        expect(byConsumer(record, rounding)).toEqual(byOracle(record, rounding));
      }),
    );
  });
});

test('weird events meet every verdict', () => {
  const verdicts = new Map<string, number>();
  for (const record of fc.sample(weirdRecord, { numRuns: 3_000, seed: 1 })) {
    const verdict = byOracle(record, 'per-minute');
    const name = typeof verdict === 'string' ? verdict : 'good';
    verdicts.set(name, (verdicts.get(name) ?? 0) + 1);
  }

  expect([...verdicts.keys()].sort()).toEqual([
    'from_the_future', 'good', 'implausible', 'malformed_json', 'negative_duration', 'schema_violation', 'too_old', 'wrong_type',
  ]); // prettier-ignore
  expect(verdicts.get('good')).toBeGreaterThan(300);
});
