import fc from 'fast-check';
import { buildInvoice } from '../../../src/billing/invoice/build-invoice';
import { aliasesIn } from '../../../src/billing/catalog/catalog';
import builtIn from '../../../src/billing/catalog/livekit-cloud.json';
import { centsDue, linesDue, type PriceList, type RentedNumbers } from '../../../src/oracle/invoice-oracle';
import { models } from '../../../src/oracle/usage-draft';
import { builtInCatalog } from '../../kit/built-in-catalog';

const prices: PriceList = builtIn;
const MONTHS = ['2026-05', '2026-06', '2026-07'] as const;
const meters = [
  ...builtIn.rates.map(({ meter }) => meter),
  ...models.stt.map((model) => `inference.stt/${model}`),
  ...models.llm.flatMap((model) =>
    ['input', 'cached_input', 'output'].map((direction) => `inference.llm.${direction}/${model}`),
  ),
  ...models.tts.map((model) => `inference.tts/${model}`),
];

type Totals = Map<string, bigint>;

function due(plan: string, totals: Record<string, bigint>): Record<string, bigint> {
  const lines = linesDue(prices, plan, '2026-07', new Map([['2026-07', new Map(Object.entries(totals))]]));
  return Object.fromEntries(lines);
}

describe('by hand', () => {
  test('a plan without usage costs its fee, and the free plan nothing', () => {
    expect(due('ship', {})).toEqual({ plan: 50_00n });
    expect(due('build', {})).toEqual({});
  });

  test('what is included is free, and the next minute is not', () => {
    expect(due('ship', { 'agent.session': 5_000n * 60n })).toEqual({ plan: 50_00n });
    expect(due('ship', { 'agent.session': 5_001n * 60n })).toEqual({ plan: 50_00n, 'agent.session': 1n });
  });

  test('half a cent is rounded up, less than half is dropped', () => {
    // WebRTC beyond 150,000 minutes costs 0.05 cents a minute.
    expect(due('ship', { 'session.webrtc': 150_010n * 60n })['session.webrtc']).toBe(1n);
    expect(due('ship', { 'session.webrtc': 150_009n * 60n })['session.webrtc']).toBeUndefined();
  });

  test('a shared allowance goes to its meters in the order they are listed', () => {
    // 600 minutes: import takes 400, so 100 of the 300 minutes of video cost 2 cents each.
    const totals = { 'session.egress.video': 300n * 60n, 'session.ingress.transcoded': 400n * 60n };
    expect(due('ship', totals)).toEqual({ plan: 50_00n, 'session.egress.video': 2_00n });
  });

  test('inference uses up its credits first, whatever name its model goes by', () => {
    const totals = { 'inference.llm.output/gpt-5': 400_000n, 'inference.llm.output/openai/gpt-5': 200_000n };
    expect(due('ship', totals)).toEqual({
      plan: 50_00n,
      'inference.llm.output/openai/gpt-5': 6_00n,
      credit: -5_00n,
    });
  });

  test('a plan that blocks charges nothing', () => {
    const totals = new Map([['session.webrtc', 10n ** 9n], ['inference.tts/cartesia/sonic', 10n ** 7n]]); // prettier-ignore
    expect(centsDue(prices, 'build', '2026-07', new Map([['2026-07', totals]]))).toBe(0n);
  });

  test('late usage costs what it would have cost in time', () => {
    const inTime = new Map([['2026-06', new Map([['agent.session', 6_000n * 60n]])]]);
    const late = new Map([
      ['2026-06', new Map([['agent.session', 4_900n * 60n]])],
      ['2026-07', new Map([['2026-06@agent.session', 1_100n * 60n]])],
    ]);
    expect(centsDue(prices, 'ship', '2026-06', inTime)).toBe(60_00n);
    expect(centsDue(prices, 'ship', '2026-06', late)).toBe(50_00n);
    expect(Object.fromEntries(linesDue(prices, 'ship', '2026-07', late))).toEqual({
      plan: 50_00n,
      '2026-06@agent.session': 10_00n,
    });
  });

  test('a phone number costs its days, beyond those that are free', () => {
    const rented = [{ from: '2026-01-01', usLocal: 1 }, { from: '2026-07-11', usLocal: 4, usTollFree: 1 }]; // prettier-ignore
    // 3 of 4 local numbers for 21 of 31 days at 1.00, and one toll-free at 2.00.
    expect(Object.fromEntries(linesDue(prices, 'ship', '2026-07', new Map(), rented))).toEqual({
      ...{ plan: 50_00n, usLocal: 2_03n, usTollFree: 1_35n },
    });
    expect(centsDue(prices, 'build', '2026-07', new Map(), rented)).toBe(0n);
  });

  test('a model without a price is an error, not free', () => {
    expect(() => due('ship', { 'inference.tts/acme/voice': 1n })).toThrow('no inference.tts/acme/voice');
  });
});

/**
 * Totals of three months, late usage of the earlier ones in the later ones; sizes around the
 * allowances.
 */
const usage: fc.Arbitrary<Map<string, Totals>> = fc
  .array(
    fc.record({
      meter: fc.constantFrom(...meters),
      origin: fc.nat({ max: 2 }),
      delay: fc.nat({ max: 2 }),
      quantity: fc.tuple(fc.integer({ min: 1, max: 999_999 }), fc.nat({ max: 7 })),
    }),
    { maxLength: 25 },
  )
  .map((usages) => {
    const months = new Map(MONTHS.map((month): [string, Totals] => [month, new Map<string, bigint>()]));
    for (const { meter, origin, delay, quantity } of usages) {
      const bill = Math.min(2, origin + delay);
      const totals = months.get(MONTHS[bill]!)!;
      const name = bill === origin ? meter : `${MONTHS[origin]!}@${meter}`;
      totals.set(name, (totals.get(name) ?? 0n) + BigInt(quantity[0]) * 10n ** BigInt(quantity[1]));
    }
    return months;
  });

const NUMBERS = [
  ['usLocal', 'US local phone numbers'],
  ['usTollFree', 'US toll-free phone numbers'],
] as const;

const numbers: fc.Arbitrary<RentedNumbers[]> = fc.uniqueArray(
  fc.record(
    {
      from: fc
        .tuple(fc.constantFrom(...MONTHS), fc.integer({ min: 1, max: 28 }))
        .map(([month, day]) => `${month}-${String(day).padStart(2, '0')}`),
      usLocal: fc.nat({ max: 4 }),
      usTollFree: fc.nat({ max: 3 }),
    },
    { requiredKeys: ['from'] },
  ),
  { maxLength: 4, selector: ({ from }) => from },
);

/** The lines of production's invoice under the oracle's names, in cents. */
function linesBuilt(
  plan: string,
  month: string,
  months: ReadonlyMap<string, Totals>,
  rented: readonly RentedNumbers[],
): Record<string, bigint> {
  const history = new Map([...months].map(([name, totals]) => [name, { totals }]));
  const { status, invoice } = buildInvoice({
    project: 'acme',
    plans: [{ plan, from: '2026-01-01' }],
    profile: { phoneNumbers: rented },
    month,
    periodStart: `${month}-01T00:00:00Z`,
    periodEnd: `${month}-28T00:00:00Z`,
    totals: months.get(month)!,
    history,
    catalog: builtInCatalog,
    number: '1',
    issuedAt: '2026-08-01T00:00:00Z',
  });
  expect(status).not.toBe('draft');
  const aliases = aliasesIn(Object.entries(prices.inference.aliases), month);
  const lines: Record<string, bigint> = {};
  for (const { kind, meter, model, period, description, amount } of invoice.lines) {
    const proper = model === undefined ? undefined : (aliases.get(model) ?? model);
    const key = meter === undefined ? kind : proper === undefined ? meter : `${meter}/${proper}`;
    const number = NUMBERS.find(([, label]) => description.startsWith(label))?.[0];
    const name = number ?? (period === undefined ? key : `${period}@${key}`);
    lines[name] = (lines[name] ?? 0n) + BigInt(amount!.replace('.', ''));
  }
  return Object.fromEntries(Object.entries(lines).filter(([, cents]) => cents !== 0n));
}

test.each(['build', 'ship', 'scale'])('every line of an invoice agrees with the oracle, %s', (plan) => {
  fc.assert(
    fc.property(usage, numbers, (months, rented) => {
      for (const month of MONTHS) {
        expect(linesBuilt(plan, month, months, rented)).toEqual(
          Object.fromEntries(linesDue(prices, plan, month, months, rented)),
        );
      }
    }),
    { numRuns: 100 },
  );
});
