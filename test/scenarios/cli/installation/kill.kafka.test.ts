import { once } from 'node:events';
import { Redis } from 'ioredis';
import { createOracle } from '../../../../src/oracle/usage-oracle';
import { createWorkload } from '../../../../src/oracle/workload';
import { eventually } from '../../../kit/eventually';
import { publishNext } from '../../../kit/kafka/publish-next';
import { testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';

const PROJECTS = Array.from({ length: 12 }, (_, number) => `project-${number}`);
const now = new Date();
const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1)).toISOString().slice(0, 7);
const KILLS = 5;
const EVENTS_BETWEEN_KILLS = 15_000;

const redis = new Redis(testRedisUrl());
afterAll(() => redis.quit());

test('consumers that are killed in mid-stream lose nothing and count nothing twice', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '4', '--timestamps', 'create'); // The workload dates its records.
  const oracle = createOracle();
  const workload = createWorkload({
    seed: 99,
    month,
    events: (KILLS + 1) * EVENTS_BETWEEN_KILLS,
    projects: PROJECTS,
  });

  for (let kill = 0; kill < KILLS; kill += 1) {
    await publishNext(tallyman, workload, EVENTS_BETWEEN_KILLS, (record) => oracle.add(record));
    const before = await counted(tallyman);
    const consumer = tallyman.start('consume');
    const closed = once(consumer, 'close');
    try {
      // In mid-stream: it has begun to apply, and there is more to do. The group first waits for
      // its dead member.
      await eventually(async () => (await counted(tallyman)) > before, { timeoutMs: 60_000 });
      expect(consumer.exitCode).toBeNull();
    } finally {
      consumer.kill('SIGKILL');
      await closed;
    }
  }
  await publishNext(tallyman, workload, EVENTS_BETWEEN_KILLS, (record) => oracle.add(record));
  await tallyman.ok('consume', '--until-caught-up');

  const found: Record<string, string> = {};
  const expected: Record<string, string> = {};
  for (const [project, months] of oracle.totals) {
    for (const [of, meters] of months) {
      const { totals } = await tallyman.json<{ totals: Record<string, string> }>(
        'totals',
        project,
        '--month',
        of,
      );
      for (const [meter, quantity] of Object.entries(totals)) found[`${project} ${of} ${meter}`] = quantity;
      for (const [meter, quantity] of meters) expected[`${project} ${of} ${meter}`] = String(quantity);
    }
  }
  expect(found).toEqual(expected);
  const { byReason } = await tallyman.json<{ byReason: unknown }>('dead-letters', 'list');
  expect(byReason).toEqual(oracle.counts.deadLetters);
}, 300_000);

/** How many events the cursors have passed. */
async function counted({ prefix }: Installation): Promise<number> {
  let sum = 0;
  for (let shard = 0; shard < 4; shard += 1) {
    const cursors = await redis.hvals(`${prefix}:usage:{${shard}}:cursor`);
    for (const cursor of cursors) sum += Number(cursor);
  }
  return sum;
}
