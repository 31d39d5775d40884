import { termsOfMonth } from '../../../../src/billing/pricing/prices-by-day';
import { usageOfMonth } from '../../../../src/billing/pricing/month-usage';
import type { PlanEntry } from '../../../../src/billing/project/project';
import { quotaUsage, type QuotaUsage } from '../../../../src/billing/quota/quota-usage';
import { builtInCatalog } from '../../../kit/built-in-catalog';

const month = '2026-07';

/** By name, of the part of the month that is asked for: the first one unless told otherwise. */
function quotas(
  plans: readonly PlanEntry[],
  totals: Record<string, bigint>,
  { part = 0, daily = {} }: { part?: number; daily?: Record<string, bigint> } = {},
): Map<string, QuotaUsage> {
  const pricingPeriods = termsOfMonth(builtInCatalog, plans, month);
  const stored = { totals: new Map(Object.entries(totals)), daily: new Map(Object.entries(daily)) };
  const usage = usageOfMonth(month, new Map([[month, stored]]));
  const answer = quotaUsage(builtInCatalog, pricingPeriods[part]!, usage, pricingPeriods.length === 1);
  return new Map(answer.map((quota) => [quota.name, quota]));
}

const ship = [{ plan: 'ship', from: '2026-01-01' }];
const build = [{ plan: 'build', from: '2026-01-01' }];
const AGENT = 'Agent session minutes';

test.each([
  [0n, { used: '0', remaining: '5000', over: '0' }],
  [4_999n, { used: '4999', remaining: '1', over: '0' }],
  [5_000n, { used: '5000', remaining: '0', over: '0' }],
  [5_001n, { used: '5001', remaining: '0', over: '1' }],
])('%s of 5,000 minutes used', (minutes, expected) => {
  const quota = quotas(ship, { 'agent.session': minutes * 60n }).get(AGENT);
  expect(quota).toEqual({
    ...{ name: AGENT, meters: ['agent.session'], unit: 'minute', included: '5000', beyond: 'overage' },
    ...expected,
  });
});

test('a plan that blocks says so, and what is free of charge is never stopped', () => {
  const found = quotas(build, { 'agent.session': 1_001n * 60n });
  expect(found.get(AGENT)).toMatchObject({ beyond: 'block', over: '1' });
  expect(found.get('Upstream data transfer')).toMatchObject({ beyond: 'free', included: '0' });
});

test('each meter stands in one quota: shared, or alone where nothing is included', () => {
  const meters = [...quotas(ship, {}).values()].flatMap((quota) => quota.meters);
  expect(new Set(meters).size).toBe(meters.length);
  expect(meters).toEqual(expect.arrayContaining(['agent.session', 'session.webrtc']));
  expect(meters.some((meter) => meter.startsWith('inference'))).toBe(false);
});

test('meters that share a quota use it up together', () => {
  const shared = [...quotas(ship, {}).values()].find(({ meters }) => meters.length > 1)!;
  const totals = Object.fromEntries(shared.meters.map((meter) => [meter, 60n]));
  const unit = Number(quotas(ship, { [shared.meters[0]!]: 60n }).get(shared.name)!.used);
  expect(unit).toBeGreaterThan(0);
  expect(Number(quotas(ship, totals).get(shared.name)!.used)).toBeCloseTo(unit * shared.meters.length);
});

test('inference of all models uses up the credits, in cents', () => {
  const name = 'Inference credits';
  expect(quotas(build, {}).get(name)).toMatchObject({ unit: 'USD', used: '0.00', remaining: '2.50' });
  const one = { 'inference.llm.output/openai/gpt-4.1-mini': 1_000_000n };
  const used = Number(quotas(build, one).get(name)!.used);
  expect(used).toBeGreaterThan(0);
  const two = { ...one, 'inference.llm.input/openai/gpt-4.1-mini': 10_000_000n };
  const both = quotas(build, two).get(name)!;
  expect(Number(both.used)).toBeGreaterThan(used);
  expect(both).toMatchObject({ remaining: '0.00', over: (Number(both.used) - 2.5).toFixed(2) });
});

test("late usage of another month uses up nothing of this one's", () => {
  expect(quotas(ship, { '2026-06@agent.session': 6_000n }).get(AGENT)).toMatchObject({ used: '0' });
});

test('after a change of plan within the month each part has its share and its own days', () => {
  const plans = [...build, { plan: 'ship', from: '2026-07-15' }];
  const totals = { 'agent.session': 300n };
  const daily = { '2026-07-14/agent.session': 60n, '2026-07-15/agent.session': 240n };
  expect(quotas(plans, totals, { daily }).get(AGENT)).toMatchObject({
    ...{ period: '2026-07-01/2026-07-14', used: '1', included: '452', beyond: 'block' }, // 1000 * 14 / 31
  });
  expect(quotas(plans, totals, { daily, part: 1 }).get(AGENT)).toMatchObject({
    ...{ period: '2026-07-15/2026-07-31', used: '4', included: '2742', beyond: 'overage' }, // 5000 * 17 / 31
  });
  expect(() => quotas(plans, totals)).toThrow('do not add up');
});
