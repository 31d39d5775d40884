import type { PlanEntry } from '../../../../../src/billing/project/project';
import { buildInvoice, type InvoiceInput } from '../../../../../src/billing/invoice/build-invoice';
import { Decimal } from '../../../../../src/billing/pricing/decimal';
import { termsOfMonth } from '../../../../../src/billing/pricing/prices-by-day';
import { usageOfMonth } from '../../../../../src/billing/pricing/month-usage';
import { quotaUsage } from '../../../../../src/billing/quota/quota-usage';
import {
  dailyCost,
  dailyUsage,
  type ChartedMonth,
  type Stacks,
} from '../../../../../src/web/pages/billing/daily-stacks';
import { builtInCatalog } from '../../../../kit/built-in-catalog';

const catalog = builtInCatalog;
const SHIP: readonly PlanEntry[] = [{ plan: 'ship', from: '2026-01-01' }];

/** A month of usage by day, in base units. */
function charted(byDay: Record<string, Record<string, bigint>>, plans = SHIP): ChartedMonth {
  const totals = new Map<string, bigint>();
  const daily = new Map<string, bigint>();
  for (const [day, meters] of Object.entries(byDay)) {
    for (const [meter, quantity] of Object.entries(meters)) {
      daily.set(`2026-02-${day}/${meter}`, quantity);
      totals.set(meter, (totals.get(meter) ?? 0n) + quantity);
    }
  }
  const input: InvoiceInput = {
    ...{ project: 'acme', plans, month: '2026-02', totals, daily, catalog, number: null },
    ...{ periodStart: '', periodEnd: '', issuedAt: '2026-03-01T00:00:00Z' },
  };
  const pricingPeriods = termsOfMonth(catalog, plans, '2026-02');
  const usage = usageOfMonth('2026-02', new Map([['2026-02', input]]));
  const quotas = pricingPeriods.flatMap((pricingPeriod) =>
    quotaUsage(catalog, pricingPeriod, usage, pricingPeriods.length === 1),
  );
  return { month: '2026-02', input, pricingPeriods, quotas, invoice: buildInvoice(input).invoice };
}

/** The parts of the days that have any. */
function parts({ series, days }: Stacks): Record<string, Record<string, string>> {
  const used = days.filter(({ values }) => values.some((value) => !value.isZero()));
  return Object.fromEntries(
    used.map(({ day, values }) => [
      day.slice(8),
      Object.fromEntries(
        values.flatMap((value, i) => (value.isZero() ? [] : [[series[i]!.name, value.toFixed()] as const])),
      ),
    ]),
  );
}

const minutes = (count: number): bigint => BigInt(count * 60);

test('an allowance covers the first days, and the others cost what exceeds it', () => {
  // 5,000 minutes are included, at $0.01 a minute: worth $50.
  const month = charted({
    '01': { 'agent.session': minutes(4_000) },
    '05': { 'agent.session': minutes(3_000) },
    '06': { 'agent.session': minutes(500) },
  });
  expect(parts(dailyCost(month))).toEqual({
    '01': { 'Covered by your plan': '40' },
    '05': { 'Covered by your plan': '10', Agents: '20' },
    '06': { Agents: '5' },
  });
  expect(parts(dailyUsage(month, 'agent.session'))).toEqual({
    '01': { 'Covered by your plan': '4000' },
    '05': { 'Covered by your plan': '1000', 'Over the allowance, billed': '2000' },
    '06': { 'Over the allowance, billed': '500' },
  });
  expect(dailyUsage(month, 'agent.session').usedUpOn).toBe(4);
});

test('the credits of the plan cover the first inference; an alias counts as its model', () => {
  // $5 of credits, and $0.40 per million tokens.
  const month = charted({
    '02': { 'inference.llm.input/openai/gpt-4.1-mini': 10_000_000n },
    '03': { 'inference.llm.input/openai/gpt-4.1-mini': 10_000_000n },
  });
  expect(parts(dailyCost(month))).toEqual({
    '02': { 'Covered by your plan': '4' },
    '03': { 'Covered by your plan': '1', Inference: '3' },
  });
});

test('the days amount to the usage that is charged, to the cent, also after a change of plan', () => {
  const byDay = Object.fromEntries(
    Array.from({ length: 28 }, (_, i) => [
      String(i + 1).padStart(2, '0'),
      {
        'agent.session': minutes(601 + i * 7),
        'transfer.downstream': BigInt(17_310_000_000 + i * 990_000_000),
        'inference.tts/cartesia/sonic': BigInt(10_007 + i),
        'inference.stt/deepgram/nova-3': BigInt(3_001 + i),
      },
    ]),
  );
  for (const plans of [SHIP, [...SHIP, { plan: 'scale', from: '2026-02-11' }]]) {
    const month = charted(byDay, plans);
    const { series, days } = dailyCost(month);
    const charged = days.flatMap(({ values }) => values.filter((_, i) => !series[i]!.isCovered));
    const lines = month.invoice.lines.filter(({ kind }) => kind === 'usage' || kind === 'credit');
    const sum = (amounts: readonly (Decimal | string)[]): string =>
      amounts.reduce<Decimal>((total, amount) => total.plus(amount), new Decimal(0)).toFixed(2);
    expect(sum(charged)).toBe(sum(lines.map(({ amount }) => amount!)));
    expect(Number(sum(charged))).toBeGreaterThan(1);
  }
});

test('a plan that blocks has nothing in money, and its usage over the allowance is not billed', () => {
  const month = charted({ '01': { 'agent.session': minutes(1_200) } }, [
    { plan: 'build', from: '2026-01-01' },
  ]);
  expect(parts(dailyCost(month))).toEqual({});
  expect(parts(dailyUsage(month, 'agent.session'))).toEqual({
    '01': { 'Covered by your plan': '1000', 'Over the allowance, not billed': '200' },
  });
});

test('every day of the month is there once; late usage of other months is not', () => {
  const month = charted({ '28': { 'agent.session': minutes(60) } });
  const daily = new Map([...month.input.daily!, ['2026-01-31/agent.session', 600n] as const]);
  const { days } = dailyUsage({ ...month, input: { ...month.input, daily } }, 'agent.session');
  expect(days).toHaveLength(28);
  expect(days.map(({ day }) => day)).toEqual([...new Set(days.map(({ day }) => day))].sort());
  expect(days.filter(({ values }) => values.some((value) => !value.isZero()))).toHaveLength(1);
});
