import { closedMonthProblems } from '../../../../src/billing/project/closed-months';
import type { ProjectDocument } from '../../../../src/billing/project/project';

const closed = { last: '2026-10', open: '2026-11' };
const ship = { plan: 'ship', from: '2026-09-01' };
const tax = { from: '2026-09-01', name: 'VAT', rate: '0.21' };
const credit = { month: '2026-10', description: 'Outage', amount: '20.00' };
const before: ProjectDocument = {
  project: 'acme',
  plans: [ship, { plan: 'scale', from: '2026-10-15', overrides: { fee: '9.00', minimumSpend: '5.00' } }],
  profile: { name: 'Acme', taxes: [tax] },
  credits: [credit, { ...credit, amount: '1.00' }],
};
const problems = (after: Partial<ProjectDocument>, was: ProjectDocument | undefined = before): string[] =>
  closedMonthProblems(was, { ...before, ...after }, closed);

test('what changes no closed month is taken', () => {
  expect(problems({})).toEqual([]);
  expect(problems({ profile: { name: 'Bolt', budget: '5.00', taxes: [tax] } })).toEqual([]);
  expect(problems({ plans: [...before.plans, { plan: 'build', from: '2026-11-01' }] })).toEqual([]);
  expect(problems({ credits: [{ ...credit, month: '2026-11' }, ...before.credits!] })).toEqual([]);
  expect(problems({ profile: { taxes: [tax, { ...tax, from: '2026-11-01', rate: '0.25' }] } })).toEqual([]);
  // In another order, in other words, or twice: the same.
  const scale = { overrides: { minimumSpend: '5.00', fee: '9.00' }, from: '2026-10-15', plan: 'scale' };
  expect(problems({ plans: [scale, { plan: 'ship', from: '2026-09-20' }, ship] })).toEqual([]);
});

test('nothing is refused where no month is closed', () => {
  expect(closedMonthProblems(undefined, before, undefined)).toEqual([]);
});

test.each<[string, Partial<ProjectDocument>, RegExp]>([
  [
    'a plan from a closed day',
    { plans: [...before.plans, { plan: 'build', from: '2026-10-31' }] },
    /^plans: a row from 2026-10-31 is added, .*2026-11-01$/,
  ],
  [
    'phone numbers from a closed day',
    { profile: { taxes: [tax], phoneNumbers: [{ from: '2026-10-20', usLocal: 2 }] } },
    /^profile.phoneNumbers: a row from 2026-10-20 is added, .*2026-11-01$/,
  ],
  ['a plan taken out', { plans: [ship] }, /^plans: the row from 2026-10-15 is removed/],
  [
    'a plan that begins earlier',
    { plans: [{ ...ship, from: '2026-08-01' }, before.plans[1]!] },
    /from 2026-08-01 is added/,
  ],
  [
    'another plan in its place',
    { plans: [{ ...ship, plan: 'scale' }, before.plans[1]!] },
    /the row from 2026-09-01 is changed/,
  ],
  [
    'an override',
    { plans: [{ ...ship, overrides: { fee: '1.00' } }, before.plans[1]!] },
    /the row from 2026-09-01 is changed/,
  ],
  [
    'a tax',
    { profile: { taxes: [{ ...tax, rate: '0.19' }] } },
    /^profile.taxes: the row from 2026-09-01 is changed/,
  ],
  ['a tax taken out', { profile: {} }, /^profile.taxes: the row from 2026-09-01 is removed/],
  [
    'a credit',
    { credits: [...before.credits!, { ...credit, month: '2026-07' }] },
    /^credits: 20.00 in 2026-07 is added, .*2026-11$/,
  ],
  ['a credit taken out', { credits: [credit] }, /^credits: 1.00 in 2026-10 is removed/],
  [
    'a credit given twice',
    { credits: [...before.credits!, credit] },
    /^credits: their order or their number is changed/,
  ],
  ['credits in another order', { credits: before.credits!.toReversed() }, /^credits: their order/],
])('%s is refused, with what can still be changed', (_name, after, problem) => {
  const [first, ...more] = problems(after);
  expect(first).toMatch(problem);
  expect(more.length).toBeLessThanOrEqual(1);
});

test('a new project is told of each', () => {
  expect(closedMonthProblems(undefined, before, closed)).toHaveLength(5);
  expect(
    closedMonthProblems(undefined, { project: 'new', plans: [{ plan: 'ship', from: '2026-11-01' }] }, closed),
  ).toEqual([]);
});
