import { TallymanError } from '../errors';
import { splitMeterKey } from '../rating/meters';
import { inForce, type AtQuota, type Catalog, type Rate } from './catalog';
import { cutAt, daysIn, daysOf, periodOfMonth, type Period } from './days';
import { Decimal, roundMoney } from './decimal';
import type { Overrides, PlanEntry } from './project';
import { rateOf } from './rate';
import { unitOf } from './units';

/** What holds for one project over a run of days in a month: the whole month unless its plan or terms change in it. */
export interface Segment {
  readonly period: Period;
  readonly plan: string;
  readonly planName: string;
  /** For a whole month; the segment costs `fee * days / monthDays`. */
  readonly fee: Decimal;
  readonly days: number;
  readonly monthDays: number;
  readonly atQuota: AtQuota;
  /** For a whole month too; the parts of a month are added up before they are rounded. */
  readonly minimumSpend: Decimal;
  /** The segment's share of what the plan gives a month. */
  readonly inferenceCredits: Decimal;
  readonly allowances: readonly Allowance[];
  /** The prices of a meter in the segment, each with its days. `undefined`: none. */
  readonly ratesFor: (key: string) => readonly { readonly period: Period; readonly rate: Rate | undefined }[];
}

export interface Allowance {
  readonly name: string;
  readonly meters: readonly string[];
  /** Base units. */
  readonly included: Decimal;
}

/**
 * The terms of a month, by the project's plan history and the catalog. A segment begins where the plan or an agreement
 * changes, and where the catalog changes what the plan costs or includes: each then gets its days' share of fee and
 * quantities. A new price only splits its own meter's usage by day: the included quantity stays one.
 * Throws UNKNOWN_PLAN for a plan the catalog does not have on those days.
 */
export function termsOfMonth(catalog: Catalog, plans: readonly PlanEntry[], month: string): Segment[] {
  const { from, to } = periodOfMonth(month);
  const sorted = plans.toSorted((a, b) => (a.from < b.from ? -1 : 1));
  const atStart = sorted.findLastIndex((entry) => entry.from <= from);
  // What went before the month and what comes after it does not matter: so most projects of a plan have the same terms.
  const history = sorted
    .slice(Math.max(0, atStart))
    .filter((entry) => entry.from <= to)
    .map((entry) => (entry.from < from ? { ...entry, from } : entry));
  const known = knownTerms(catalog);
  const key = `${month} ${JSON.stringify(history)}`;
  let segments = known.get(key);
  if (segments === undefined) {
    if (known.size >= TERMS_KEPT) known.clear();
    known.set(key, (segments = segmentsOf(catalog, history, month)));
  }
  return segments;
}

/** Whether the usage of these meters in a month must be known by day to be priced: else its totals are enough. */
export function needsDays(
  catalog: Catalog,
  plans: readonly PlanEntry[],
  month: string,
  meterKeys: Iterable<string>,
): boolean {
  const [first, ...more] = termsOfMonth(catalog, plans, month);
  if (more.length > 0) return true;
  for (const key of meterKeys) if (first!.ratesFor(key).length > 1) return true;
  return false;
}

/** A close asks for the same terms a hundred thousand times; those of so many histories are kept, with their prices. */
const TERMS_KEPT = 500;
/** Models are named by producers, so there may be any number of them. */
const KEYS_KEPT = 1_000;
const kept = new WeakMap<Catalog, Map<string, Segment[]>>();

function knownTerms(catalog: Catalog): Map<string, Segment[]> {
  let known = kept.get(catalog);
  if (known === undefined) kept.set(catalog, (known = new Map<string, Segment[]>()));
  return known;
}

function segmentsOf(catalog: Catalog, history: readonly PlanEntry[], month: string): Segment[] {
  const beginnings = [
    ...history.map((entry) => entry.from),
    ...[...catalog.plans.values()].flat().map((row) => row.from),
    ...[...catalog.allowances.values()].flat().map((row) => row.from),
  ];
  const pieces = cutAt(periodOfMonth(month), beginnings).map((period) => ({
    period,
    terms: termsOn(catalog, history, period.from),
  }));
  return joined(pieces).map(({ period, terms }) => segmentOf(catalog, terms, period, month));
}

/** All that a day's plan says but the catalog's own prices, as plain values: equal terms read the same as JSON. */
interface Terms {
  readonly plan: string;
  readonly name: string;
  readonly fee: string;
  readonly atQuota: AtQuota;
  readonly inferenceCredits: string;
  readonly minimumSpend: string;
  readonly allowances: readonly { name: string; meters: readonly string[]; included: string }[];
  readonly rates: NonNullable<Overrides['rates']>;
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

/** A row may begin in the month and change nothing for this project: its quota must not fall apart for that. */
function joined(pieces: readonly { period: Period; terms: Terms }[]): { period: Period; terms: Terms }[] {
  const runs: { period: Period; terms: Terms }[] = [];
  for (const piece of pieces) {
    const last = runs.at(-1);
    if (last !== undefined && JSON.stringify(last.terms) === JSON.stringify(piece.terms)) {
      last.period = { from: last.period.from, to: piece.period.to };
    } else {
      runs.push({ ...piece });
    }
  }
  return runs;
}

function segmentOf(catalog: Catalog, terms: Terms, period: Period, month: string): Segment {
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
      // A part of a month includes whole billing units, rounded up: nobody has to read 2258.06 minutes.
      const units = new Decimal(included);
      const shared = days === monthDays ? units : units.times(days).div(monthDays).ceil();
      return { name, meters, included: shared.times(unitOf(meters[0]!).size) };
    }),
    ratesFor: ratesFor(catalog, terms, period),
  };
}

function ratesFor(catalog: Catalog, terms: Terms, period: Period): Segment['ratesFor'] {
  const agreed = new Map(
    terms.rates.map(({ meter, model, price, per }) => [listedKey(catalog, meter, model), rateOf(price, per)]),
  );
  const found = new Map<string, ReturnType<Segment['ratesFor']>>();
  return (key) => {
    let rates = found.get(key);
    if (rates === undefined) {
      if (found.size >= KEYS_KEPT) found.clear();
      found.set(key, (rates = ratesOf(key)));
    }
    return rates;
  };

  function ratesOf(key: string): ReturnType<Segment['ratesFor']> {
    const { meter, model } = splitMeterKey(key);
    const listed = listedKey(catalog, meter, model);
    const own = agreed.get(listed) ?? agreed.get(meter);
    if (own !== undefined) return [{ period, rate: own }];
    const rows = catalog.rates.get(listed) ?? [];
    return cutAt(
      period,
      rows.map((row) => row.from),
    ).map((part) => {
      const row = inForce(rows, part.from);
      return { period: part, rate: row?.plans.get(terms.plan) ?? row?.rate };
    });
  }
}

/** A model's rates stand under its own name, or under the one it is another name for. */
function listedKey(catalog: Catalog, meter: string, model: string | undefined): string {
  if (model === undefined) return meter;
  const key = `${meter}/${model}`;
  return catalog.rates.has(key) ? key : `${meter}/${catalog.aliases.get(model) ?? model}`;
}
