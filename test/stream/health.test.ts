import { checkHealth, LOOP_LIMIT_MS, type HealthInput } from '../../src/stream/health';
import type { RunnerStatus } from '../../src/stream/runner';

const NOW = 10_000_000;
type Partition = RunnerStatus['partitions'][number];

function input(
  partition: Partial<Partition> = {},
  more: Partial<HealthInput> = {},
  tickAgoMs = 0,
): HealthInput {
  const status: RunnerStatus = {
    topic: 'usage.session',
    lastTickAt: NOW - tickAgoMs,
    partitions: [{ partition: 3, cursor: 10, highWatermark: 10, lastProgressAt: NOW, ...partition }],
    ...{ counted: 0, duplicates: 0, late: 0, rejected: 0, voided: 0, unknownVoids: 0 },
  };
  return { statuses: [status], storeProblem: undefined, nowMs: NOW, stuckAfterMs: 60_000, ...more };
}

const codes = (given: HealthInput): string[] =>
  checkHealth(given).problems.map(({ code, subject }) => `${code} ${subject}`);

test.each<[string, HealthInput, string[]]>([
  ['nothing to do, for however long', input({ lastProgressAt: 0 }), []],
  ['lag that moves', input({ highWatermark: 900, lastProgressAt: NOW - 60_000 }), []],
  [
    'lag that does not move',
    input({ highWatermark: 900, lastProgressAt: NOW - 60_001 }),
    ['PARTITION_STUCK usage.session/3'],
  ],
  [
    'a cursor that is never read',
    input({ cursor: undefined, highWatermark: 0, lastProgressAt: NOW - 60_001 }),
    ['PARTITION_STUCK usage.session/3'],
  ],
  ['a loop that waits for other members', input({}, {}, LOOP_LIMIT_MS), []],
  ['a loop that stands still', input({}, {}, LOOP_LIMIT_MS + 1), ['LOOP_STOPPED usage.session']],
  ['a store that is away', input({}, { storeProblem: 'timed out' }), ['STORE_AWAY Redis']],
  ['no runner yet', input({}, { statuses: [] }), []],
])('%s', (_, given, expected) => {
  expect(codes(given)).toEqual(expected);
  expect(checkHealth(given).ready).toBe(expected.length === 0);
});

test('a problem says how much waits, where and for how long', () => {
  const { problems } = checkHealth(input({ highWatermark: 900, lastProgressAt: NOW - 75_000 }));
  expect(problems[0]?.detail).toBe('890 offsets wait behind 10, and nothing has moved for 75 s');
});
