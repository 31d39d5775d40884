import { execFileSync } from 'node:child_process';
import { writeVerified } from '../../../src/redis/views/verified';
import { needTestProgram } from '../../kit/servers/need-program';
import { webHarness, type WebHarness } from '../../kit/web/web-harness';

let harness: WebHarness;
beforeAll(async () => {
  await needTestProgram({ command: 'promtool', versionArgument: '--version', debianPackage: 'prometheus' });
  harness = await webHarness();
});
afterAll(() => harness.close());

test('the installation as a whole, without a token and naming no project', async () => {
  await harness.count({ usages: [{ meter: 'agent.session', quantity: '60' }] });
  await writeVerified(harness.store, {
    month: '2026-06',
    verifiedAt: '2026-07-01T00:00:00.000Z',
    result: 'different',
    differences: 2,
    conflicts: 3,
    conflictsThatCount: 1,
  });
  const page = await harness.metrics.metrics();
  expect(page).toContain('tallyman_close_projects{month="2026-07"} 1');
  expect(page).toContain('tallyman_close_invoices{month="2026-07"} 0');
  expect(page).toContain('tallyman_conflicts{month="2026-06"} 3');
  expect(page).toContain('tallyman_verify_differences{month="2026-06"} 2');
  expect(page).toMatch(/^tallyman_redis_memory_used_bytes\{node="\S+:\d+"\} [1-9]\d+$/m);
  expect(page).toMatch(/^tallyman_redis_memory_limit_bytes\{node="\S+:\d+"\} [1-9]\d+$/m);
  expect(page).toContain('tallyman_up 1');
  expect(page).not.toContain('acme');
  const ours = page.split('\n\n').filter((family) => family.includes('tallyman_'));
  expect(() =>
    execFileSync('promtool', ['check', 'metrics'], { input: `${ours.join('\n\n')}\n` }),
  ).not.toThrow();
});

test('months that wait for a close, since their end', async () => {
  const waiting = async (closed: Record<string, object>): Promise<string[]> => {
    const { redis, keys } = harness.store;
    await redis.del(keys.closes);
    for (const [month, record] of Object.entries(closed))
      await redis.hset(
        keys.closes,
        month,
        JSON.stringify({ month, closedAt: '2026-07-01T01:00:00.000Z', cursors: {}, ...record }),
      );
    const page = await harness.metrics.metrics();
    return page.match(/^tallyman_close_waiting_seconds.*$/gm) ?? [];
  };
  // It is the 16th of July, 12:00. Before the first close, nothing is due that holds no usage.
  expect(await waiting({})).toEqual([]);
  expect(await waiting({ '2026-06': { completed: true } })).toEqual([]);
  expect(await waiting({ '2026-06': {} })).toEqual([
    'tallyman_close_waiting_seconds{month="2026-06",state="unfinished"} 1339200',
  ]);
  expect(await waiting({ '2026-04': { completed: true } })).toEqual([
    'tallyman_close_waiting_seconds{month="2026-05",state="due"} 3931200',
    'tallyman_close_waiting_seconds{month="2026-06",state="due"} 1339200',
  ]);
});
