import { readFileSync } from 'node:fs';
import { FIGURES, type Figures } from '../../../../src/ops/size/coefficients';
import { sizeFor, type Load } from '../../../../src/ops/size/sizing';

/** Round figures, so that a person can compute what must come out. */
const FIGURES_HERE: Figures = {
  ...{ consumerCpuOf100: 5, consumerCpuOf20k: 10, consumerCpuOf1M: 20 },
  ...{ redisCpuOf100: 1, redisCpuOf20k: 5, redisCpuOf1M: 10, consumerMb: 400 },
  ...{
    closeOf100k: 20,
    verifyPerSecond: 50_000,
    verifyMsPerProject: 10,
    followPerSecond: 40_000,
    rebuildPerSecond: 25_000,
  },
  ...{ idBytes: 8, consumerIdBytes: 10, totalsKeyBytes: 100, totalsFieldBytes: 30, daysKeyBytes: 200 },
  ...{ daysFieldBytes: 40, looseFieldBytes: 100, listedBytes: 50, planBytes: 300, invoiceBytes: 4_000 },
  ...{ logBytes: 100, ledgerBytes: 2_000, followBytes: 40 },
};
const load = (given: Partial<Load>): Load => ({
  ...{ eventsPerSecond: 100, projects: 20_000, peak: 2, meters: 12, months: 12, retentionDays: 100 },
  ...{ copies: 3, masterGb: 32, consumerGb: 4 },
  ...given,
});
const size = (given: Partial<Load>) => sizeFor(load(given), FIGURES_HERE);

test('20,000 projects with 100 events per second', () => {
  const sizing = size({});
  // 100 x 86,400 s x 31 days; ids are kept for two such months.
  expect(sizing).toMatchObject({ eventsPerMonth: 267_840_000, partitions: 12, projectPeak: 200_000 });
  // 200/s at the peak x 10 us. 5,356.8 MB of ids, in processes with 4,000 - 400 MB of room.
  expect(sizing.consumers.processes).toBe(2);
  expect(sizing.consumers.cores).toBeCloseTo(0.002);
  expect(sizing.consumers.memoryBytesEach).toBe(400e6 + 2_678_400_000);
  expect(sizing.consumers.rebuildMemoryBytes).toBe(400e6 + 5_356_800_000);
  expect(sizing.redis).toMatchObject({ masters: 1, mostShards: 12 });
  expect(sizing.redis.busiest).toBeCloseTo(0.001);
  // 13,392 events per project and month reach each meter on each day.
  const projectMonths = 20_000 * 12;
  const { ids, totals, days, views, all } = sizing.redis.memoryBytes;
  expect(ids).toBe(535_680_000 * 8);
  expect(totals).toBeCloseTo(projectMonths * (50 + 100 + 12 * 30), -3);
  expect(days).toBeCloseTo(projectMonths * (200 + 12 * 31 * 40), -3);
  expect(views).toBe(20_000 * 300 + projectMonths * 4_000);
  expect(all).toBe(ids + totals + days + views);
  expect(sizing.disk).toMatchObject({ logBytes: 864_000_000 * 100 * 3, redisBytes: all * 3 });
  expect(sizing.disk).toMatchObject({ ledgerBytes: projectMonths * 2_000 * 3 });
  // Two months of 12 fields of totals and 372 of days.
  expect(sizing.disk.secondCountBytes).toBeCloseTo((535_680_000 + 20_000 * 2 * 384) * 40 * 2, -3);
  expect(sizing.seconds).toEqual({ close: 4, verify: 17_280 + 20_000 * (100 / 31) * 0.01, rebuild: 34_560 });
  // Of 86,400 s; of 32 GB; of 12 partitions; of 40,000 events/s; of 60 % of a core; of 3,600 s.
  const used = Object.fromEntries(sizing.limits.map((limit) => [limit.name, limit.used]));
  expect(Object.keys(used)[0]).toBe('rebuild');
  expect(used).toEqual({
    ...{
      rebuild: 0.4,
      verify: sizing.seconds.verify / 86_400,
      redis_memory: all / 32e9,
      consumers: 2 / 12,
      partitions: 0.12,
    },
    ...{ second_count: 0.0025, redis_cpu: expect.closeTo(0.001 / 0.6), close: 4 / 3_600 },
  });
});

test.each([
  // The slots of {0} to {11} by CLUSTER KEYSLOT: 4, 5 and 3 of them on three masters.
  [3, 5],
  // 3, 1, 2, 3, 0 and 3.
  [6, 3],
])('12 shards on %i masters: %i on the fullest', (masters, mostShards) => {
  const { redis, ...sizing } = size({ partitions: 12, masters, eventsPerSecond: 30_000 });
  expect(redis).toMatchObject({ masters, mostShards });
  // 60,000/s at the peak x 5 us.
  expect(redis.busiest).toBeCloseTo((0.3 * mostShards) / 12);
  expect(redis.mostMemoryBytes).toBeCloseTo((redis.memoryBytes.all * mostShards) / 12, -3);
  expect(sizing.limits[0]).toMatchObject({ name: 'rebuild', used: 120 });
});

test('masters and partitions are as many as the fullest master needs', () => {
  // 160.7 GB of ids, 3.6 GB of days and 1.1 GB of totals and views: three masters of 66 GB would do
  // without the skew, and the second of them would have 5 of 12.
  const { redis, partitions } = size({ eventsPerSecond: 3_750, masterGb: 66, consumerGb: 100 });
  expect(redis.memoryBytes.all / 3).toBeLessThan(66e9);
  expect((redis.memoryBytes.all * 5) / 12).toBeGreaterThan(66e9);
  expect(redis.mostMemoryBytes).toBeLessThanOrEqual(66e9);
  expect(redis.masters * 4).toBeLessThanOrEqual(partitions);
});

test.each([
  [100, 5],
  // Halfway between 100 and 20,000 on a logarithmic scale.
  [1_414.2135, 7.5],
  [20_000, 10],
  [1_000_000, 20],
  [50_000_000, 20],
  [1, 5],
])('with %d projects in 12 shards, an event costs a consumer %d us', (projects, us) => {
  const { consumers } = size({ projects, partitions: 12, eventsPerSecond: 1_000, peak: 1 });
  expect(consumers.cores).toBeCloseTo(us / 1_000);
});

test('few events leave most days of a project empty, and many make its hash a table', () => {
  const days = (eventsPerSecond: number, meters: number): number =>
    size({ eventsPerSecond, meters, projects: 1_000_000, months: 1 }).redis.memoryBytes.days / 1e6;
  // 2.6784 events per project: 372 x (1 - e^(-0.0072)) = 2.668781 fields.
  expect(days(1, 12)).toBeCloseTo(200 + 2.668781 * 40, 3);
  // 620 fields, all of them used.
  expect(days(10_000, 20)).toBeCloseTo(200 + 620 * 100, 0);
});

test('a load that fits nowhere is sized as far as it goes, and says what is full', () => {
  const { partitions, limits } = size({ eventsPerSecond: 1_000_000, projects: 10_000_000 });
  expect(partitions).toBe(3_072);
  expect(limits.filter(({ used }) => used > 1).map(({ name }) => name)).toEqual([
    ...['rebuild', 'verify', 'partitions', 'second_count', 'consumers', 'redis_memory'],
  ]);
});

test('the chart gives a consumer the memory of the model', () => {
  const chart = readFileSync('deploy/helm/tallyman/templates/_helpers.tpl', 'utf8');
  const [, perMonthlyEvent] = /\$ids := div \(mul (\d+) /.exec(chart) ?? [];
  const [, base] =
    /requests: \{ cpu: 500m, memory: \{\{ include "tallyman.mib" \(add (\d+) \(div \$ids/.exec(chart) ?? [];
  expect([Number(perMonthlyEvent), Number(base)]).toEqual([2 * FIGURES.consumerIdBytes, FIGURES.consumerMb]);
});
