import { checkHealth, LOOP_LIMIT_MS, type HealthInput } from '../../../../src/ingest/health/check-health';
import type { PartitionPosition } from '../../../../src/ingest/health/log-position';

function input(
  partition: Partial<PartitionPosition> = {},
  more: Partial<HealthInput> = {},
  idleMs = 0,
): HealthInput {
  const one = { topic: 'usage.session', partition: 3, cursor: 10, end: 10, stable: 10, stillMs: 0 };
  const seen = { ...one, ...(partition.end !== undefined && { stable: partition.end }), ...partition };
  return {
    loops: [{ topic: 'usage.session', idleMs }],
    storeProblem: undefined,
    position: { partitions: [seen] },
    positionProblem: undefined,
    stuckAfterMs: 60_000,
    ...more,
  };
}

const codes = (given: HealthInput): string[] =>
  checkHealth(given).problems.map(({ code, subject }) => `${code} ${subject}`);

test.each<[string, HealthInput, string[]]>([
  ['nothing to do', input(), []],
  ['lag that has not moved for as long as it may', input({ end: 900, stillMs: 60_000 }), []],
  ['lag that does not move', input({ end: 900, stillMs: 60_001 }), ['PARTITION_STUCK usage.session/3']],
  [
    'lag that a consumer is assigned to, and that does not move',
    input({ end: 900, stillMs: 60_001, isRead: true }),
    ['PARTITION_STUCK usage.session/3'],
  ],
  [
    'lag that nobody is assigned to',
    input({ end: 900, stillMs: 60_001, isRead: false }),
    ['PARTITION_UNREAD usage.session/3'],
  ],
  [
    'lag behind an open transaction',
    input({ end: 900, stable: 10, stillMs: 60_001, isRead: true }),
    ['TRANSACTION_OPEN usage.session/3'],
  ],
  ['lag before an open transaction', input({ end: 900, stable: 10, stillMs: 60_000 }), []],
  [
    'lag that could be read, and an open transaction further on',
    input({ end: 900, stable: 800, stillMs: 60_001 }),
    ['PARTITION_STUCK usage.session/3'],
  ],
  [
    'a log that ends before its cursor',
    input({ end: 4, stillMs: 60_001 }),
    ['CURSOR_PAST_LOG_END usage.session/3'],
  ],
  ['an empty partition without a cursor', input({ cursor: undefined, end: 0 }), []],
  ['usage without a cursor', input({ cursor: undefined, end: 1 }), ['NO_CURSOR usage.session/3']],
  ['a loop that waits for other members', input({}, {}, LOOP_LIMIT_MS), []],
  ['a loop that stands still', input({}, {}, LOOP_LIMIT_MS + 1), ['LOOP_STOPPED usage.session']],
  ['a store that is away', input({}, { storeProblem: 'timed out' }), ['STORE_AWAY Redis']],
  ['a log that cannot be seen', input({}, { position: undefined }), ['LOG_UNSEEN Kafka']],
  [
    'a store that is away, so that nothing can be compared',
    input({}, { storeProblem: 'timed out', position: undefined }),
    ['STORE_AWAY Redis'],
  ],
  [
    'a ledger that cannot be followed',
    input({}, { ledgerProblem: { code: 'LEDGER_UNSEEN', subject: 'billing.closes', detail: 'replaced' } }),
    ['LEDGER_UNSEEN billing.closes'],
  ],
  ['no consumer in this process', input({}, { loops: [] }), []],
])('%s', (_, given, expected) => {
  expect(codes(given)).toEqual(expected);
  expect(checkHealth(given).ready).toBe(expected.length === 0);
});

test('a problem says how much waits, where and for how long', () => {
  const { problems } = checkHealth(input({ end: 900, stillMs: 75_000 }));
  expect(problems[0]?.detail).toBe(
    "890 offsets wait between the cursor, 10, and the log's end, 900, and nothing has moved for 75 s",
  );
});
