import { judge, withRatios } from '../../../bench/targets';

const row = (engine: string, consumerCpu: number, redisCpu: number, more: object = {}) => ({
  section: 'throughput',
  engine,
  projects: 100,
  consumerCpu,
  redisCpu,
  ...more,
});

test('an engine stands against the bare client and the naive one of its own number of projects', () => {
  const [, tallyman, naive] = withRatios([
    row('raw', 2, 0),
    row('tallyman', 5, 5),
    row('naive', 60, 40),
    row('raw', 1, 0, { projects: 20_000 }),
    row('naive', 1, 1, { projects: 20_000 }),
  ]);
  expect(tallyman).toMatchObject({ cpuToRaw: 2.5, eventsPerCpuSecond: 100_000, perCpuToNaive: 10 });
  expect(naive).toMatchObject({ cpuToRaw: 30, perCpuToNaive: 1 });
});

test.each([
  ['PASS', row('tallyman', 5, 5, { eventsPerSecond: 200_000 })],
  ['MISS', row('tallyman', 5, 5, { eventsPerSecond: 199_999 })],
  ['PASS', row('tallyman', 5, 5, { peakMemoryMb: 300 })],
  ['MISS', row('tallyman', 5, 5, { peakMemoryMb: 301 })],
  ['MISS', row('tallyman x2', 5, 5, { wrongTotals: 1 })],
  ['PASS', { section: 'close', what: 'close', projects: 100_000, seconds: 30 }],
  ['MISS', { section: 'close', what: 'close', projects: 100_000, seconds: 30.1 }],
])('%s: %j', (verdict, result) => {
  expect(judge([result])).toEqual([expect.stringMatching(`^${verdict}  `)]);
});

test('of ids, 50 million are held against 0.1 million, and alone against nothing', () => {
  const held = (ids: number, applyCpuUs: number) => ({ section: 'growth', ids, applyCpuUs });
  expect(judge([held(100_000, 10), held(50_000_000, 13.1)])).toEqual([
    expect.stringMatching(/^MISS {2}1\.31 /),
  ]);
  expect(judge([held(50_000_000, 13.1)])).toEqual([]);
});

test('what was not measured is not judged', () => {
  expect(judge([{ section: 'close', what: 'close', projects: 1_000, seconds: 99 }])).toEqual([]);
});
