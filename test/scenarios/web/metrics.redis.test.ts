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
  const answer = await harness.inject({ url: '/metrics' });
  expect(answer.statusCode).toBe(200);
  expect(answer.body).toContain('tallyman_close_projects{month="2026-07"} 1');
  expect(answer.body).toContain('tallyman_close_invoices{month="2026-07"} 0');
  expect(answer.body).toContain('tallyman_conflicts{month="2026-06"} 3');
  expect(answer.body).toContain('tallyman_verify_differences{month="2026-06"} 2');
  // June is over and nobody has closed it: the clock of the harness is in July.
  expect(answer.body).toMatch(/^tallyman_redis_memory_used_bytes\{node="\S+:\d+"\} [1-9]\d+$/m);
  expect(answer.body).toMatch(/^tallyman_redis_memory_limit_bytes\{node="\S+:\d+"\} [1-9]\d+$/m);
  expect(answer.body).toContain('tallyman_up 1');
  expect(answer.body).not.toContain('acme');
  const ours = answer.body.split('\n\n').filter((family) => family.includes('tallyman_'));
  expect(() =>
    execFileSync('promtool', ['check', 'metrics'], { input: `${ours.join('\n\n')}\n` }),
  ).not.toThrow();
});
