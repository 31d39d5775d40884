import { TallymanError } from '../../lib/errors';
import { isInference, splitMeterKey } from '../../rating/meters';
import {
  aliasesIn,
  inForce,
  type AtQuota,
  type Catalog,
  type PhoneNumberRow,
  type UnitPrice,
} from '../catalog/catalog';
import { cutAt, daysOf, periodOfMonth, type Period } from './days';
import { Decimal, roundMoney } from './decimal';
import type { Overrides, PlanEntry } from '../project/project';
import { chargeKey, unitPriceOf } from './unit-price';
import { unitOf } from './units';
import { daysIn } from '../../rating/month';

/**
 * The terms of one project for a run of days. This is the whole month unless the plan or its terms
 * change within it.
 */
export interface PricingPeriod {
  readonly period: Period;
  readonly plan: string;
  readonly planName: string;
  /** For a whole month. The pricing period costs `fee * days / monthDays`. */
  readonly fee: Decimal;
  readonly days: number;
  readonly monthDays: number;
  readonly atQuota: AtQuota;
  /** For a whole month too. The parts of a month are added up before they are rounded. */
  readonly minimumSpend: Decimal;
  /** The pricing period's share of the plan's monthly credits. */
  readonly inferenceCredits: Decimal;
  readonly allowances: readonly Allowance[];
  /** The key under which a meter key is priced and invoiced. It replaces an alias by its model. */
  readonly listed: (key: string) => string;
  /**
   * The prices of a meter in the pricing period, each with its days. `undefined` if there is none.
   */
  readonly unitPricesFor: (
    key: string,
  ) => readonly { readonly period: Period; readonly unitPrice: UnitPrice | undefined }[];
  /** The prices of a rented phone number in the pricing period, each with its days. */
  readonly numberPricesFor: (
    kind: PhoneNumberRow['kind'],
  ) => readonly { readonly period: Period; readonly unitPrice: NumberPrice }[];
}

export interface NumberPrice {
  /** For a whole month; undefined if there is none. */
  readonly price: Decimal | undefined;
  /** How many numbers are free. */
  readonly included: number;
}

export interface Allowance {
  readonly name: string;
  readonly meters: readonly string[];
  readonly included: Decimal;
}

/**
 * The terms of a month, from the project's plan history and the catalog.
 *
 * A pricing period begins where the plan or an agreement changes, and where the catalog changes
 * what the plan costs or includes. Each period gets its share of fee and quantities by days. A new
 * price only splits the usage of its own meter by day, and the included quantity stays one. A row
 * that changes nothing of what this project pays splits nothing, however it is written.
 *
 * @throws TallymanError `UNKNOWN_PLAN` for a plan that the catalog does not have on those days
 */
export function termsOfMonth(catalog: Catalog, plans: readonly PlanEntry[], month: string): PricingPeriod[] {
  const { from, to } = periodOfMonth(month);
  const sorted = plans.toSorted((a, b) => (a.from < b.from ? -1 : 1));
  const atStart = sorted.findLastIndex((entry) => entry.from <= from);
  // What is before or after the month does not matter, so most projects of a plan share their
  // terms.
  const history = sorted
    .slice(Math.max(0, atStart))
    .filter((entry) => entry.from <= to)
    .map((entry) => (entry.from < from ? { ...entry, from } : entry));
  const known = knownTerms(catalog);
  const key = `${month} ${JSON.stringify(history)}`;
  let pricingPeriods = known.get(key);
  if (pricingPeriods === undefined) {
    if (known.size >= TERMS_KEPT) known.clear();
    known.set(key, (pricingPeriods = pricingPeriodsOf(catalog, history, month)));
  }
  return pricingPeriods;
}

/**
 * Whether these meters can only be priced with their usage by day. Otherwise the totals are enough.
 */
export function needsDays(
  catalog: Catalog,
  plans: readonly PlanEntry[],
  month: string,
  meterKeys: Iterable<string>,
): boolean {
  const [first, ...more] = termsOfMonth(catalog, plans, month);
  if (more.length > 0) return true;
  for (const key of meterKeys) if (first!.unitPricesFor(key).length > 1) return true;
  return false;
}

/**
 * A close needs the same terms a hundred thousand times. This many histories are kept with their
 * prices.
 */
const TERMS_KEPT = 500;
/** Producers name the models, so there can be any number of them. */
const KEYS_KEPT = 1_000;
const kept = new WeakMap<Catalog, Map<string, PricingPeriod[]>>();

function knownTerms(catalog: Catalog): Map<string, PricingPeriod[]> {
  let known = kept.get(catalog);
  if (known === undefined) kept.set(catalog, (known = new Map<string, PricingPeriod[]>()));
  return known;
}

function pricingPeriodsOf(whole: Catalog, history: readonly PlanEntry[], month: string): PricingPeriod[] {
  const catalog = { ...whole, aliases: aliasesIn(whole.aliases, month) };
  const beginnings = [
    ...history.map((entry) => entry.from),
    ...[...catalog.plans.values()].flat().map((row) => row.from),
    ...[...catalog.allowances.values()].flat().map((row) => row.from),
  ];
  const pieces = cutAt(periodOfMonth(month), beginnings).map((period) => ({
    period,
    terms: termsOn(catalog, history, period.from),
  }));
  return joined(catalog, pieces).map((run) => pricingPeriodOf(catalog, run, month));
}

/** A catalog with the aliases that are in force in one month. */
type MonthCatalog = Omit<Catalog, 'aliases'> & { readonly aliases: ReadonlyMap<string, string> };

/** The terms of a plan on a day, without the catalog's own prices. */
interface Terms {
  readonly plan: string;
  readonly name: string;
  readonly fee: string;
  readonly atQuota: AtQuota;
  readonly inferenceCredits: string;
  readonly minimumSpend: string;
  readonly allowances: readonly { name: string; meters: readonly string[]; included: string }[];
  readonly rates: Rates;
  readonly phoneNumbers: AgreedNumbers;
}

type Rates = NonNullable<Overrides['rates']>;
type AgreedNumbers = NonNullable<Overrides['phoneNumbers']>;

/** The terms of a run of days, with the agreed rates of each piece. */
interface Run {
  period: Period;
  terms: Terms;
  readonly agreements: {
    readonly from: string;
    readonly rates: Rates;
    readonly phoneNumbers: AgreedNumbers;
  }[];
}

function termsOn(catalog: Catalog, history: readonly PlanEntry[], day: string): Terms {
  const entry = inForce(history, day);
  const plan = entry?.plan ?? catalog.defaultPlan;
  const row = inForce(catalog.plans.get(plan), day);
  if (row === undefined) {
    throw new TallymanError('UNKNOWN_PLAN', `The catalog has no plan "${plan}" on ${day}.`, { plan, day });
  }
  const overrides = entry?.overrides ?? {};
  return {
    plan,
    name: row.name,
    fee: overrides.fee ?? row.fee,
    atQuota: overrides.atQuota ?? row.atQuota,
    inferenceCredits: overrides.inferenceCredits ?? row.inferenceCredits ?? '0',
    minimumSpend: overrides.minimumSpend ?? row.minimumSpend ?? '0',
    allowances: allowancesOn(catalog, plan, overrides, day),
    rates: overrides.rates ?? [],
    phoneNumbers: overrides.phoneNumbers ?? [],
  };
}

function allowancesOn(
  catalog: Catalog,
  plan: string,
  overrides: Overrides,
  day: string,
): Terms['allowances'] {
  const own = new Map((overrides.allowances ?? []).map((allowance) => [allowance.name, allowance]));
  const names = new Set([...catalog.allowances.keys(), ...own.keys()]);
  return [...names].flatMap((name) => {
    const row = inForce(catalog.allowances.get(name), day);
    const meters = own.get(name)?.meters ?? row?.meters;
    const included = own.get(name)?.included ?? row?.included[plan] ?? '0';
    return meters === undefined ? [] : [{ name, meters, included }];
  });
}

/** A row that begins in the month and changes nothing for this project must not split its quota. */
function joined(catalog: MonthCatalog, pieces: readonly { period: Period; terms: Terms }[]): Run[] {
  const runs: Run[] = [];
  for (const { period, terms } of pieces) {
    const agreement = { from: period.from, rates: terms.rates, phoneNumbers: terms.phoneNumbers };
    const last = runs.at(-1);
    if (last !== undefined && changesNothing(catalog, last.terms, terms, period.from)) {
      last.period = { from: last.period.from, to: period.to };
      last.terms = terms;
      last.agreements.push(agreement);
    } else {
      runs.push({ period, terms, agreements: [agreement] });
    }
  }
  return runs;
}

function changesNothing(catalog: MonthCatalog, before: Terms, after: Terms, day: string): boolean {
  if (comparable(before) !== comparable(after)) return false;
  const isSameNumber = (kind: PhoneNumberRow['kind']): boolean =>
    isSameNumberPrice(numberPriceOn(catalog, before, kind, day), numberPriceOn(catalog, after, kind, day));
  if (![...before.phoneNumbers, ...after.phoneNumbers].every(({ kind }) => isSameNumber(kind))) return false;
  return keysOfRates(catalog, [...before.rates, ...after.rates]).every(
    (key) => chargeKey(rateOn(catalog, before, key, day)) === chargeKey(rateOn(catalog, after, key, day)),
  );
}

/**
 * Terms without rates as text, equal if their effect is equal. A different name alone is not a
 * change.
 */
function comparable({ plan, fee, atQuota, inferenceCredits, minimumSpend, allowances }: Terms): string {
  const plain = (decimal: string): string => new Decimal(decimal).toString();
  const quotas = allowances
    .filter(({ included }) => !new Decimal(included).isZero())
    .map(({ meters, included }) => `${meters.join()} ${plain(included)}`)
    .sort();
  const money = [fee, inferenceCredits, minimumSpend].map(plain);
  return JSON.stringify([plan, atQuota, money, quotas]);
}

/**
 * The meter keys that agreed rates apply to. A rate for all models of a meter applies to those in
 * the catalog and to any other.
 */
function keysOfRates(catalog: MonthCatalog, rates: Rates): string[] {
  const keys = rates.flatMap(({ meter, model }) => {
    if (model !== undefined || !isInference(meter)) return [listedKey(catalog, meter, model)];
    const listed = [...catalog.rates.keys()].filter((key) => key.startsWith(`${meter}/`));
    return [...listed, `${meter}/`];
  });
  return [...new Set(keys)];
}

function pricingPeriodOf(
  catalog: MonthCatalog,
  { terms, period, agreements }: Run,
  month: string,
): PricingPeriod {
  const days = daysOf(period);
  const monthDays = daysIn(month);
  const credits = new Decimal(terms.inferenceCredits).times(days).div(monthDays);
  return {
    period,
    plan: terms.plan,
    planName: terms.name,
    fee: new Decimal(terms.fee),
    days,
    monthDays,
    atQuota: terms.atQuota,
    minimumSpend: new Decimal(terms.minimumSpend),
    inferenceCredits: roundMoney(credits, catalog.minorDigits),
    allowances: terms.allowances.map(({ name, meters, included }) => {
      // A part of a month includes whole billing units, rounded up, so that no invoice says 2258.06
      // minutes.
      const units = new Decimal(included);
      const shared = days === monthDays ? units : units.times(days).div(monthDays).ceil();
      return { name, meters, included: shared.times(unitOf(meters[0]!).size) };
    }),
    listed: (key) => listedOf(catalog, key),
    unitPricesFor: unitPricesFor(catalog, terms.plan, period, agreements),
    numberPricesFor: (kind) => numberPricesIn(catalog, terms.plan, period, agreements, kind),
  };
}

function unitPricesFor(
  catalog: MonthCatalog,
  plan: string,
  period: Period,
  agreements: Run['agreements'],
): PricingPeriod['unitPricesFor'] {
  const found = new Map<string, ReturnType<PricingPeriod['unitPricesFor']>>();
  return (key) => {
    let rates = found.get(key);
    if (rates === undefined) {
      if (found.size >= KEYS_KEPT) found.clear();
      found.set(key, (rates = ratesOf(key)));
    }
    return rates;
  };

  /**
   * A part per price instead of per row: a row that charges the same as the one before does not
   * begin a part.
   */
  function ratesOf(key: string): ReturnType<PricingPeriod['unitPricesFor']> {
    const listed = listedOf(catalog, key);
    const rows = catalog.rates.get(listed) ?? [];
    const beginnings = [...rows, ...agreements].map(({ from }) => from);
    const parts: { period: Period; unitPrice: UnitPrice | undefined }[] = [];
    for (const { from, to } of cutAt(period, beginnings)) {
      const { rates } = inForce(agreements, from)!;
      const unitPrice = rateOn(catalog, { plan, rates }, listed, from);
      const last = parts.at(-1);
      if (last !== undefined && chargeKey(last.unitPrice) === chargeKey(unitPrice)) {
        last.period = { from: last.period.from, to };
      } else {
        parts.push({ period: { from, to }, unitPrice });
      }
    }
    return parts;
  }
}

function numberPricesIn(
  catalog: MonthCatalog,
  plan: string,
  period: Period,
  agreements: Run['agreements'],
  kind: PhoneNumberRow['kind'],
): ReturnType<PricingPeriod['numberPricesFor']> {
  const beginnings = [...(catalog.phoneNumbers.get(kind) ?? []), ...agreements].map(({ from }) => from);
  const parts: { period: Period; unitPrice: NumberPrice }[] = [];
  for (const { from, to } of cutAt(period, beginnings)) {
    const { phoneNumbers } = inForce(agreements, from)!;
    const unitPrice = numberPriceOn(catalog, { plan, phoneNumbers }, kind, from);
    const last = parts.at(-1);
    if (last !== undefined && isSameNumberPrice(last.unitPrice, unitPrice))
      last.period = { from: last.period.from, to };
    else parts.push({ period: { from, to }, unitPrice });
  }
  return parts;
}

/** The price of a rented phone number on a day: agreed, or from the catalog. */
function numberPriceOn(
  catalog: MonthCatalog,
  { plan, phoneNumbers }: Pick<Terms, 'plan' | 'phoneNumbers'>,
  kind: PhoneNumberRow['kind'],
  day: string,
): NumberPrice {
  const agreed = phoneNumbers.find((one) => one.kind === kind);
  const row = inForce(catalog.phoneNumbers.get(kind), day);
  const price = agreed?.price ?? row?.plans[plan];
  return {
    price: price === undefined ? undefined : new Decimal(price),
    included: agreed?.included ?? row?.included?.[plan] ?? 0,
  };
}

function isSameNumberPrice(a: NumberPrice, b: NumberPrice): boolean {
  const isSamePrice =
    a.price === undefined || b.price === undefined ? a.price === b.price : a.price.eq(b.price);
  return isSamePrice && a.included === b.included;
}

/**
 * The price of a meter on a day: agreed for the meter, agreed for all models of its kind, or from
 * the catalog.
 */
function rateOn(
  catalog: MonthCatalog,
  { plan, rates }: Pick<Terms, 'plan' | 'rates'>,
  listed: string,
  day: string,
): UnitPrice | undefined {
  const { meter } = splitMeterKey(listed);
  const agreed =
    rates.findLast((rate) => listedKey(catalog, rate.meter, rate.model) === listed) ??
    rates.findLast((rate) => rate.meter === meter && rate.model === undefined);
  if (agreed !== undefined) return unitPriceOf(agreed.price, agreed.per);
  const row = inForce(catalog.rates.get(listed), day);
  return row?.plans.get(plan) ?? row?.unitPrice;
}

/** Replaces an alias by its model. */
export function listedKeyOf(catalog: Pick<Catalog, 'rates' | 'aliases'>, key: string, month: string): string {
  return listedOf({ rates: catalog.rates, aliases: aliasesIn(catalog.aliases, month) }, key);
}

function listedOf(catalog: Pick<MonthCatalog, 'rates' | 'aliases'>, key: string): string {
  const { meter, model } = splitMeterKey(key);
  return listedKey(catalog, meter, model);
}

function listedKey(
  catalog: Pick<MonthCatalog, 'rates' | 'aliases'>,
  meter: string,
  model: string | undefined,
): string {
  if (model === undefined) return meter;
  const key = `${meter}/${model}`;
  return catalog.rates.has(key) ? key : `${meter}/${catalog.aliases.get(model) ?? model}`;
}
