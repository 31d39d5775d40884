import fc from 'fast-check';
import type { CatalogDocument, PriceDocument } from '../../../src/billing/catalog/catalog';
import type { Overrides, ProjectDocument } from '../../../src/billing/project/project';
import { isInference, meterNames } from '../../../src/rating/meters';
import type { DatedUsage } from './usages';

/**
 * Random catalogs, projects and usages over the same few months, small enough that quotas, tiers
 * and ties are hit often.
 */

export const months = ['2026-02', '2026-03', '2026-04', '2026-05'] as const;
const beginning = '2024-01-01';
const planNames = ['free', 'paid', 'big'] as const;
const mediaMeters = meterNames.filter((meter) => !isInference(meter));

const amount = fc.constantFrom('0', '0.005', '0.0004', '0.01', '0.333', '1.25', '2', '17.995');
const numberPrice = fc.constantFrom('0', '1.00', '2.5', '0.333');
const smallNumber = fc.constantFrom('0', '1', '2.5', '7', '30', '100');
const per = fc.constantFrom('1', '60', '1000');
const day = fc
  .tuple(fc.constantFrom(...months), fc.integer({ min: 1, max: 28 }))
  .map(([month, number]) => `${month}-${String(number).padStart(2, '0')}`);

const tiers = fc
  .tuple(fc.constantFrom('1', '3.5', '10'), fc.constantFrom('20', '40'), amount, amount, amount)
  .map(([first, second, ...[a, b, c]]) => [
    { upTo: first, amount: a },
    { upTo: second, amount: b },
    { amount: c },
  ]);

/** `rising`: never cheaper for more usage. */
const price = (rising: boolean): fc.Arbitrary<PriceDocument> =>
  fc.oneof(
    { weight: 3, arbitrary: amount },
    { weight: 1, arbitrary: tiers.map((graduated) => ({ graduated })) },
    { weight: rising ? 0 : 1, arbitrary: tiers.map((volume) => ({ volume })) },
    { weight: 1, arbitrary: fc.record({ package: fc.constantFrom('1', '10', '7'), amount }) },
  );

const byPlan = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<Record<string, T>> =>
  fc.dictionary(fc.constantFrom(...planNames), value, { maxKeys: 2 }).map((plans) => ({ ...plans }));

/** The same, written otherwise: `1.25` as `1.250`. */
const rewritten = <T>(row: T): T =>
  JSON.parse(JSON.stringify(row), (name: string, value: unknown) =>
    typeof value === 'string' && name !== 'per' && name !== 'package' && /^\d+(\.\d+)?$/.test(value)
      ? `${value}${value.includes('.') ? '' : '.'}0`
      : value,
  ) as T;

/**
 * A row from the beginning, and perhaps others from days on which usage falls: some of them change
 * nothing.
 */
const dated = <T extends object>(row: fc.Arbitrary<T>): fc.Arbitrary<(T & { from: string })[]> =>
  fc
    .tuple(row, fc.uniqueArray(fc.tuple(day, fc.option(row)), { maxLength: 1, selector: ([from]) => from }))
    .map(([first, later]) => [
      { ...first, from: beginning },
      ...later.map(([from, next]) => ({ ...(next ?? rewritten(first)), from })),
    ]);

const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(value, { nil: undefined });

/** Without the fields that are undefined: a document has none. */
const clean = <T>(value: T): T => JSON.parse(JSON.stringify(value)) as T;

const all = <T>(parts: fc.Arbitrary<T[]>[]): fc.Arbitrary<T[]> =>
  fc.tuple(...parts).map((lists) => lists.flat());

export const catalogDocument = ({ rising = false } = {}): fc.Arbitrary<CatalogDocument> =>
  fc
    .record({
      name: fc.constant('random'),
      currency: fc.constant('USD'),
      minorDigits: fc.constant(2),
      defaultPlan: fc.constantFrom(...planNames),
      plans: all(
        planNames.map((plan) =>
          dated(
            fc.record({
              plan: fc.constant(plan as string),
              name: fc.constant(plan.toUpperCase()),
              fee: fc.constantFrom('0', '50', '33.33'),
              atQuota: fc.constantFrom('overage' as const, 'block' as const),
              inferenceCredits: optional(fc.constantFrom('0', '2.50', '0.07')),
              minimumSpend: optional(fc.constantFrom('0', '60', '200.01')),
            }),
          ),
        ),
      ),
      allowances: all([
        dated(allowance('One meter', ['session.webrtc'])),
        dated(allowance('Shared', ['session.egress.audio_only', 'session.ingress.transcoded'])),
        dated(allowance('Bytes', ['transfer.downstream'])),
        dated(allowance('Speech', ['inference.stt'])),
      ]),
      rates: all(
        mediaMeters.map((meter) =>
          dated(
            fc.record({
              meter: fc.constant(meter),
              per: optional(per),
              price: price(rising),
              plans: optional(byPlan(price(rising))),
            }),
          ),
        ),
      ),
      phoneNumbers: all(
        (['usLocal', 'usTollFree'] as const).map((kind) =>
          dated(
            fc.record({
              kind: fc.constant(kind),
              plans: fc.record({ free: numberPrice, paid: numberPrice, big: numberPrice }),
              included: optional(byPlan(fc.integer({ min: 0, max: 2 }))),
            }),
          ),
        ),
      ),
      inference: fc.record({
        stt: models(rising),
        tts: models(rising),
        llm: fc.record({
          per,
          models: all(
            ['a/one', 'b'].map((model) => {
              const prices = {
                input: price(rising),
                cachedInput: optional(price(rising)),
                output: price(rising),
              };
              const plans = optional(byPlan(fc.record(prices)));
              return dated(fc.record({ model: fc.constant(model), ...prices, plans }));
            }),
          ),
        }),
        aliases: fc.constant({ one: 'a/one' }),
      }),
    })
    .map((document) => clean(document) as CatalogDocument);

function allowance(
  name: string,
  meters: string[],
): fc.Arbitrary<{
  name: string;
  meters: string[];
  included: Record<string, string>;
}> {
  return fc.record({ name: fc.constant(name), meters: fc.constant(meters), included: byPlan(smallNumber) });
}

function models(rising: boolean): fc.Arbitrary<CatalogDocument['inference']['stt']> {
  const row = (model: string) =>
    fc.record({ model: fc.constant(model), price: price(rising), plans: optional(byPlan(price(rising))) });
  return fc.record({ per, models: all(['a/one', 'b'].map((model) => dated(row(model)))) }) as fc.Arbitrary<
    CatalogDocument['inference']['stt']
  >;
}

const overrides = (rising: boolean): fc.Arbitrary<Overrides> =>
  fc
    .record({
      fee: optional(fc.constantFrom('0', '12.34')),
      atQuota: optional(fc.constantFrom('overage' as const, 'block' as const)),
      inferenceCredits: optional(fc.constantFrom('0', '9.99')),
      minimumSpend: optional(fc.constantFrom('0', '75')),
      allowances: optional(
        fc.constantFrom(
          [{ name: 'Shared', included: '5' }],
          [{ name: 'Own', meters: ['agent.session', 'agent.recording'], included: '3' }],
        ),
      ),
      rates: optional(
        fc.uniqueArray(
          fc
            .tuple(
              fc.constantFrom<[string, string?]>(
                ['session.webrtc'],
                ['inference.stt'],
                ['inference.stt', 'b'],
                ['inference.stt', 'one'],
                ['inference.tts', 'a/one'],
              ),
              per,
              price(rising),
            )
            .map(([[meter, model], count, own]) => ({ meter, model, per: count, price: own })),
          { maxLength: 3, selector: ({ meter, model }) => `${meter}/${model}` },
        ),
      ),
      phoneNumbers: optional(
        fc.uniqueArray(
          fc.record({
            kind: fc.constantFrom('usLocal' as const, 'usTollFree' as const),
            price: optional(numberPrice),
            included: optional(fc.integer({ min: 0, max: 2 })),
          }),
          { maxLength: 2, selector: ({ kind }) => kind },
        ),
      ),
    })
    .map((value) => clean(value) as Overrides);

export const projectDocument = ({ rising = false } = {}): fc.Arbitrary<ProjectDocument> =>
  fc
    .record({
      project: fc.constant('p'),
      plans: fc.uniqueArray(
        fc.record({
          plan: fc.constantFrom(...planNames),
          from: fc.oneof(day, fc.constant('2026-01-01')),
          overrides: optional(overrides(rising)),
        }),
        { maxLength: 3, selector: ({ from }) => from },
      ),
      profile: optional(
        fc.record({
          phoneNumbers: optional(
            fc.uniqueArray(
              fc.record({
                from: fc.oneof(day, fc.constant('2026-01-01')),
                usLocal: optional(fc.integer({ min: 0, max: 3 })),
                usTollFree: optional(fc.integer({ min: 0, max: 2 })),
              }),
              { maxLength: 3, selector: ({ from }) => from },
            ),
          ),
          taxes: fc.uniqueArray(
            fc.record({ from: day, name: fc.constant('VAT'), rate: fc.constantFrom('0', '0.21', '0.055') }),
            { maxLength: 2, selector: ({ from }) => from },
          ),
        }),
      ),
      credits: optional(
        fc.array(
          fc.record({
            month: fc.constantFrom(...months),
            description: fc.constant('Goodwill'),
            amount: fc.constantFrom('0.01', '10', '300.5'),
          }),
          { maxLength: 2 },
        ),
      ),
    })
    .map((project) => clean(project) as ProjectDocument);

const keys = [
  ...mediaMeters,
  ...['stt', 'llm.input', 'llm.cached_input', 'llm.output', 'tts'].flatMap((kind) =>
    ['a/one', 'b', 'one'].map((model) => `inference.${kind}/${model}`),
  ),
];

const quantity = fc.oneof(
  fc.integer({ min: 1, max: 5 }).map((units) => BigInt(units) * 60n),
  fc.integer({ min: 1, max: 10_000 }).map(BigInt),
  fc.bigInt({ min: 1n, max: 90_000_000_000n }),
);

/**
 * Usages that arrive in their month or up to the last one, and voids that take some of them back,
 * as late as that or later. Few meters, so that they meet in allowances and tiers.
 */
export const usages: fc.Arbitrary<DatedUsage[]> = fc
  .uniqueArray(
    fc.oneof(
      fc.constantFrom(...keys),
      fc.constantFrom(
        'session.ingress.transcoded',
        'session.egress.audio_only',
        'inference.stt/one',
        'inference.stt/b',
      ),
    ),
    { minLength: 1, maxLength: 6 },
  )
  .chain((some) =>
    fc.array(
      fc
        .tuple(
          day,
          fc.constantFrom(...some),
          quantity,
          fc.nat(months.length - 1),
          fc.option(fc.nat(months.length - 1)),
        )
        .map(([on, key, used, delay, voidDelay]) => {
          const own = months.findIndex((month) => on.startsWith(month));
          const arrivalAfter = (later: number): string => months[Math.min(own + later, months.length - 1)]!;
          const usage = { day: on, key, quantity: used, arrival: arrivalAfter(delay) };
          if (voidDelay === null) return [usage];
          return [usage, { ...usage, quantity: -used, arrival: arrivalAfter(delay + voidDelay) }];
        }),
      { maxLength: 14 },
    ),
  )
  .map((all) => all.flat());
