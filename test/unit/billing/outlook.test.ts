import type { InvoiceInput } from '../../../src/billing/invoice/build-invoice';
import { comparePlans } from '../../../src/billing/invoice/compare-plans';
import { forecastUsage } from '../../../src/billing/invoice/forecast';
import { builtInCatalog } from '../../kit/built-in-catalog';

const input: InvoiceInput = {
  project: 'p',
  plans: [{ plan: 'build', from: '2026-01-01' }],
  month: '2026-07',
  periodStart: '2026-07-01T00:00:00.000Z',
  periodEnd: '2026-08-01T00:00:00.000Z',
  totals: new Map([
    ['agent.session', 60_000n * 60n],
    ['2026-06@agent.session', 60_000n * 60n],
  ]),
  credits: [{ month: '2026-07', description: 'Goodwill', amount: '30' }],
  issued: [
    {
      month: '2026-06',
      currency: 'USD',
      lines: [
        {
          ...{
            kind: 'credit',
            description: 'Credit carried to the next invoice',
            unit: 'USD',
            quantity: '10.00',
          },
          ...{ included: '0.00', billable: '10.00', unitPrice: '1', per: '1', amount: '10.00' },
        },
      ],
    },
  ],
  catalog: builtInCatalog,
  number: 'p-0001',
  issuedAt: '2026-08-01T00:00:00.000Z',
};

test("each plan is priced on the month's own usage alone", () => {
  expect(
    comparePlans(input).map(({ plan, name, outcome }) => [plan, name, outcome.status, outcome.invoice.total]),
  ).toEqual([
    ['build', 'Build', 'nothing_due', '0.00'], // and it would have stopped most of it:
    ['ship', 'Ship', 'issued', '600.00'],
    ['scale', 'Scale', 'issued', '600.00'],
  ]);
  expect(comparePlans(input)[0]!.outcome.overQuota).toMatchObject([{ over: '59000' }]);
});

test('a plan that has not begun is left out', () => {
  expect(comparePlans({ ...input, month: '2023-12' })).toEqual([]);
});

describe('a forecast', () => {
  const day = 86_400_000;
  const soFar = {
    totals: new Map([
      ['agent.session', 600n],
      ['inference.llm.output/m', 7n],
      ['2026-06@agent.session', 60n],
    ]),
    daily: new Map([
      ['2026-07-02/agent.session', 600n],
      ['2026-07-02/inference.llm.output/m', 7n],
      ['2026-06-30/agent.session', 60n],
    ]),
  };

  test('goes on as the month began, in whole billing units, on the last day', () => {
    const { totals, daily } = forecastUsage('2026-07', soFar, 10 * day, 31 * day);
    expect([...totals]).toEqual([
      ['agent.session', 1_860n],
      ['inference.llm.output/m', 22n], // 21.7
      ['2026-06@agent.session', 60n],
    ]);
    expect(daily!.get('2026-07-31/agent.session')).toBe(1_260n);
    expect(daily!.get('2026-07-31/inference.llm.output/m')).toBe(15n);
    expect(forecastUsage('2026-07', soFar, 9 * day, 31 * day).totals.get('agent.session')).toBe(2_100n); // 34.4 min
  });

  test('of a month that is over is that month', () => {
    expect(forecastUsage('2026-07', soFar, 31 * day, 31 * day).totals).toEqual(soFar.totals);
  });
});
