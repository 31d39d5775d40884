import type { CatalogDocument, LlmPrices, LlmRow, ModelRow, PriceDocument } from './catalog';
import { amountProblems, isoDigitsOf } from '../pricing/currency';
import { isDay } from '../pricing/days';
import { Decimal } from '../pricing/decimal';
import type { Overrides } from '../project/project';
import { isInference, isMeter, meterNames, meterRow } from '../../rating/meters';
import { unitOf } from '../pricing/units';

/** The problems of a catalog that matches the schema. Each names its row. */
export function catalogProblems(document: CatalogDocument): string[] {
  const plans = new Set(document.plans.map((row) => row.plan));
  return [
    ...(plans.has(document.defaultPlan) ? [] : [`defaultPlan: no plan "${document.defaultPlan}"`]),
    ...digitProblems(document),
    ...planProblems(document),
    ...allowanceProblems(document, plans),
    ...rateProblems(document, plans),
    ...phoneNumberProblems(document, plans),
    ...inferenceProblems(document, plans),
    ...aliasProblems(document),
    ...missingPrices(document),
  ];
}

/** With wrong digits, every amount of money would be a hundred times too large or too small. */
function digitProblems({ currency, minorDigits }: CatalogDocument): string[] {
  const digits = isoDigitsOf(currency);
  return digits === undefined || digits === minorDigits
    ? []
    : [`minorDigits: ${currency} has ${digits} digits after the decimal point, not ${minorDigits}`];
}

const rowName = (list: string, index: number, name: string): string => `${list}[${index}] (${name})`;

/**
 * Days that do not exist, and rows of the same name and day, of which only one could be in force.
 */
function datingProblems(
  rows: readonly { from: string }[],
  pathOf: (index: number) => string,
  nameOf: (index: number) => string,
): string[] {
  const seen = new Set<string>();
  return rows.flatMap(({ from }, index) => {
    const problems: string[] = [];
    if (!isDay(from))
      problems.push(`${pathOf(index)}.from: "${from}" is not a valid day: expected YYYY-MM-DD`);
    const key = `${from} ${nameOf(index)}`;
    if (seen.has(key)) problems.push(`${pathOf(index)}: there is another row from ${from}`);
    seen.add(key);
    return problems;
  });
}

function planProblems(document: CatalogDocument): string[] {
  const { plans } = document;
  const nameOf = (index: number): string => plans[index]!.plan;
  const pathOf = (index: number): string => rowName('plans', index, nameOf(index));
  return [
    ...datingProblems(plans, pathOf, nameOf),
    ...plans.flatMap((row, index) => planAmountProblems(row, pathOf(index), document)),
  ];
}

/**
 * Fees and other money of a plan or agreement. Unlike unit prices, they appear on invoices
 * unrounded.
 */
export function planAmountProblems(
  { fee, inferenceCredits, minimumSpend }: Pick<Overrides, 'fee' | 'inferenceCredits' | 'minimumSpend'>,
  path: string,
  currency: Pick<CatalogDocument, 'currency' | 'minorDigits'>,
): string[] {
  return Object.entries({ fee, inferenceCredits, minimumSpend }).flatMap(([name, amount]) =>
    amountProblems(amount, `${path}.${name}`, currency),
  );
}

function allowanceProblems({ allowances }: CatalogDocument, plans: ReadonlySet<string>): string[] {
  const nameOf = (index: number): string => allowances[index]!.name;
  const pathOf = (index: number): string => rowName('allowances', index, nameOf(index));
  const problems = datingProblems(allowances, pathOf, nameOf);
  const owner = new Map<string, string>();
  allowances.forEach((row, index) => {
    problems.push(...meterListProblems(row.meters, `${pathOf(index)}.meters`));
    problems.push(...planNameProblems(row.included, plans, `${pathOf(index)}.included`));
    for (const meter of row.meters) {
      const other = owner.get(meter);
      if (other !== undefined && other !== row.name) {
        problems.push(`${pathOf(index)}.meters: "${meter}" is in "${other}" too`);
      }
      owner.set(meter, row.name);
    }
  });
  return problems;
}

/** Meters that share one included quantity must exist and have the same unit. */
export function meterListProblems(meters: readonly string[], path: string): string[] {
  const unknown = meters.filter((meter) => !isMeter(meter)).map((meter) => `${path}: no meter "${meter}"`);
  const units = new Set(meters.filter(isMeter).map((meter) => unitOf(meter).name));
  return units.size > 1
    ? [...unknown, `${path}: one quantity cannot count ${[...units].join(' and ')}`]
    : unknown;
}

function planNameProblems(byPlan: object | undefined, plans: ReadonlySet<string>, path: string): string[] {
  return Object.keys(byPlan ?? {})
    .filter((plan) => !plans.has(plan))
    .map((plan) => `${path}: no plan "${plan}"`);
}

function rateProblems({ rates }: CatalogDocument, plans: ReadonlySet<string>): string[] {
  const nameOf = (index: number): string => rates[index]!.meter;
  const pathOf = (index: number): string => rowName('rates', index, nameOf(index));
  return [
    ...datingProblems(rates, pathOf, nameOf),
    ...rates.flatMap((row, index) => {
      const path = pathOf(index);
      const known = isMeter(row.meter) && !isInference(row.meter);
      return [
        ...(known ? [] : [`${path}.meter: no meter "${row.meter}" (inference has its own list)`]),
        ...planNameProblems(row.plans, plans, `${path}.plans`),
        ...(row.price === undefined ? [] : priceProblems(row.price, `${path}.price`)),
        ...Object.entries(row.plans ?? {}).flatMap(([plan, price]) =>
          priceProblems(price, `${path}.plans.${plan}`),
        ),
      ];
    }),
  ];
}

function phoneNumberProblems({ phoneNumbers = [] }: CatalogDocument, plans: ReadonlySet<string>): string[] {
  const nameOf = (index: number): string => phoneNumbers[index]!.kind;
  const pathOf = (index: number): string => rowName('phoneNumbers', index, nameOf(index));
  return [
    ...datingProblems(phoneNumbers, pathOf, nameOf),
    ...phoneNumbers.flatMap((row, index) => [
      ...planNameProblems(row.plans, plans, `${pathOf(index)}.plans`),
      ...planNameProblems(row.included, plans, `${pathOf(index)}.included`),
    ]),
  ];
}

function inferenceProblems({ inference }: CatalogDocument, plans: ReadonlySet<string>): string[] {
  return (['stt', 'llm', 'tts'] as const).flatMap((kind) => {
    const models: readonly (ModelRow | LlmRow)[] = inference[kind].models;
    const nameOf = (index: number): string => models[index]!.model;
    const pathOf = (index: number): string => rowName(`inference.${kind}.models`, index, nameOf(index));
    return [
      ...datingProblems(models, pathOf, nameOf),
      ...models.flatMap((row, index) => [
        ...planNameProblems(row.plans, plans, `${pathOf(index)}.plans`),
        ...pricesIn(row).flatMap(([name, price]) => priceProblems(price, `${pathOf(index)}.${name}`)),
      ]),
    ];
  });
}

/** Every price of a row, with its path in the row. */
function pricesIn(row: ModelRow | LlmRow): [string, PriceDocument][] {
  if ('price' in row) {
    const plans = Object.entries(row.plans ?? {});
    return [['price', row.price], ...plans.map(([plan, price]) => named(`plans.${plan}`, price))];
  }
  const plans = Object.entries(row.plans ?? {});
  return [...llmPrices(row, ''), ...plans.flatMap(([plan, prices]) => llmPrices(prices, `plans.${plan}.`))];
}

function llmPrices({ input, cachedInput, output }: LlmPrices, path: string): [string, PriceDocument][] {
  const cached = cachedInput === undefined ? [] : [named(`${path}cachedInput`, cachedInput)];
  return [named(`${path}input`, input), ...cached, named(`${path}output`, output)];
}

const named = (path: string, price: PriceDocument): [string, PriceDocument] => [path, price];

/**
 * Tiers must rise, and only the last one is open-ended. A gap would leave usage without a price.
 */
export function priceProblems(price: PriceDocument, path: string): string[] {
  if (typeof price === 'string') return [];
  if ('package' in price) return new Decimal(price.package).gt(0) ? [] : [`${path}.package: must be above 0`];
  const [kind, tiers] = 'graduated' in price ? ['graduated', price.graduated] : ['volume', price.volume];
  return tiers.flatMap((tier, index) => {
    const tierPath = `${path}.${kind}[${index}]`;
    if (index === tiers.length - 1)
      return tier.upTo === undefined ? [] : [`${tierPath}.upTo: the last tier has no end`];
    if (tier.upTo === undefined) return [`${tierPath}.upTo: only the last tier has no end`];
    const before = tiers[index - 1]?.upTo ?? '0';
    return new Decimal(tier.upTo).gt(before) ? [] : [`${tierPath}.upTo: must be above ${before}`];
  });
}

function aliasProblems({ inference }: CatalogDocument): string[] {
  const models = new Set(
    [...inference.stt.models, ...inference.llm.models, ...inference.tts.models].map((row) => row.model),
  );
  return Object.entries(inference.aliases).flatMap(([alias, of]) => {
    const { model, from } = typeof of === 'string' ? { model: of, from: undefined } : of;
    return [
      ...(from === undefined || (isDay(from) && from.endsWith('-01'))
        ? []
        : [`inference.aliases["${alias}"].from: "${from}" is not the first day of a month`]),
      ...(models.has(model) ? [] : [`inference.aliases["${alias}"]: no model "${model}"`]),
      ...(models.has(alias) ? [`inference.aliases["${alias}"]: is a model itself`] : []),
    ];
  });
}

/**
 * A plan that charges overage needs a price for every meter, except for meters that may lack one.
 * Without it, all its invoices would stay drafts.
 */
function missingPrices({ plans, rates }: CatalogDocument): string[] {
  const charging = new Set(plans.filter((row) => row.atQuota === 'overage').map((row) => row.plan));
  const unlisted = meterNames
    .filter((meter) => !isInference(meter) && meterRow(meter)!.mayLackPrice !== true)
    .filter((meter) => !rates.some((row) => row.meter === meter))
    .map((meter) => `rates: no row for ${meter}`);
  const unpriced = rates.flatMap((row, index) =>
    [...charging]
      .filter((plan) => row.price === undefined && row.plans?.[plan] === undefined)
      .map((plan) => `${rowName('rates', index, row.meter)}: no price for plan "${plan}"`),
  );
  return [...unlisted, ...unpriced];
}
