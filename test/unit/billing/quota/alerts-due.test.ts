import { alertsDue } from '../../../../src/billing/quota/alerts-due';
import type { InvoiceInput } from '../../../../src/billing/invoice/build-invoice';
import { validatorOf } from '../../../../src/lib/schema';
import { builtInCatalog } from '../../../kit/built-in-catalog';

const minute = 60n;

function due(input: Partial<InvoiceInput>): string[] {
  const alerts = alertsDue({
    project: 'p',
    plans: [{ plan: 'ship', from: '2025-01-01' }],
    month: '2026-07',
    periodStart: '2026-07-01T00:00:00.000Z',
    periodEnd: '2026-08-01T00:00:00.000Z',
    totals: new Map(),
    catalog: builtInCatalog,
    number: null,
    issuedAt: '2026-07-15T00:00:00.000Z',
    ...input,
  });
  const check = validatorOf('alert.v1.json');
  for (const alert of alerts) expect(check({ ...alert, at: '2026-07-15T00:00:00.000Z' })).toEqual([]);
  return alerts.map(({ id, used, limit, unit }) => `${id}: ${used} of ${limit} ${unit}`);
}

const agents = (minutes: bigint): Map<string, bigint> => new Map([['agent.session', minutes * minute]]);

test('at 80 % and at 100 % of an included quantity, and not a minute earlier', () => {
  expect(due({ totals: agents(3_999n) })).toEqual([]);
  expect(due({ totals: agents(4_000n) })).toEqual([expect.stringMatching(/\/80: 4000 of 5000 minute$/)]);
  expect(due({ totals: agents(4_999n) })).toHaveLength(1);
  expect(due({ totals: agents(5_000n) })).toEqual([
    expect.stringMatching(/\/80: /),
    expect.stringMatching(/\/100: 5000 of 5000 minute$/),
  ]);
});

test('the ids do not depend on how far beyond it goes', () => {
  const ids = (minutes: bigint): string[] =>
    due({ totals: agents(minutes) }).map((text) => text.split(':')[0]!);
  expect(ids(50_000n)).toEqual(ids(5_000n));
});

test('at 80 % and at 100 % of the inference credits', () => {
  // Ship gives 5 USD; TTS by cartesia/sonic costs 50 USD a million characters.
  const spoken = (characters: bigint): string[] =>
    due({ totals: new Map([['inference.tts/cartesia/sonic', characters]]) });
  expect(spoken(79_000n)).toEqual([]);
  expect(spoken(80_000n)).toEqual(['p/2026-07/credits/Inference credits/80: 4.00 of 5.00 USD']);
  expect(spoken(100_000n)).toHaveLength(2);
});

test('at 80 % and at 100 % of a budget, held against the invoice as it would be', () => {
  const held = (budget: string): string[] => due({ profile: { budget } });
  expect(held('63')).toEqual([]);
  expect(held('62.50')).toEqual(['p/2026-07/budget/Budget/80: 50.00 of 62.50 USD']);
  expect(held('50')).toHaveLength(2);
  expect(held('0')).toEqual([]);
});

test('each part of a month has its own limits', () => {
  const plans = [
    { plan: 'build', from: '2025-01-01' },
    { plan: 'ship', from: '2026-07-16' },
  ];
  const used = agents(1_000n);
  const daily = new Map([['2026-07-03/agent.session', 1_000n * minute]]);
  expect(due({ plans, totals: used, daily })).toEqual([
    expect.stringContaining('/2026-07-01/2026-07-15/80: 1000 of 484 minute'),
    expect.stringContaining('/2026-07-01/2026-07-15/100: '),
  ]);
});

test('late usage of another month counts for the budget alone', () => {
  expect(due({ totals: new Map([['2026-06@agent.session', 100_000n * minute]]) })).toEqual([]);
});
