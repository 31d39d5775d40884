import { Redis } from 'ioredis';
import { createWorkload } from '../../src/demo/workload';
import { publishNext } from '../support/publish-next';
import { testRedisUrl } from '../support/services';
import { installation, type Installation } from '../support/tallyman';

const redis = new Redis(testRedisUrl());
afterAll(() => redis.quit());

const PROJECTS = ['large', 'middle', 'small'];
const now = new Date();
const monthBack = (months: number): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
const [month, earlier] = [monthBack(1), monthBack(2)];

/** Everything in Redis but the ids, which a rebuild keeps for the last two periods only. */
async function contents({ prefix }: Installation): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const key of (await redis.keys(`${prefix}:*`)).sort()) {
    if (key.includes('}:ids:')) continue;
    const type = await redis.type(key);
    if (type === 'hash') found[key] = await redis.hgetall(key);
    else if (type === 'set') found[key] = (await redis.smembers(key)).sort();
    else found[key] = await redis.get(key);
  }
  return found;
}

async function empty({ prefix }: Installation): Promise<void> {
  const keys = await redis.keys(`${prefix}:*`);
  expect(keys.length).toBeGreaterThan(0);
  await redis.unlink(keys);
}

test('an emptied Redis is filled from Kafka and comes out equal', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '3');
  for (const project of PROJECTS)
    await tallyman.ok('projects', 'set', project, '--plan', 'ship', '--from', `${earlier}-01`);
  const workload = createWorkload({ seed: 5, month, events: 6_000, projects: PROJECTS, monthBefore: 0.05 });
  await publishNext(tallyman, workload, 3_000);
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', earlier, '--grace', '0s');
  await publishNext(tallyman, workload, 3_000); // Some of it late.
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', month, '--grace', '0s');
  const before = await contents(tallyman);

  await empty(tallyman);
  const consuming = await tallyman.run(['consume', '--until-caught-up']);
  expect(consuming.code).toBe(1);
  expect(consuming.stderr).toContain('UNINITIALISED');
  expect(await tallyman.run(['init', '--partitions', '3'])).toMatchObject({ code: 3 });

  expect(await tallyman.json('rebuild')).toEqual({ projects: 3, closes: 2, invoices: 6 });
  expect(await contents(tallyman)).toEqual(before);
  await tallyman.ok('rebuild'); // Again, on a Redis that lost nothing.
  expect(await contents(tallyman)).toEqual(before);
}, 300_000);
