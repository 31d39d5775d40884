import type { CatalogDocument, PriceDocument } from '../../../src/billing/catalog/catalog';
import type { Overrides, PlanEntry, ProjectDocument } from '../../../src/billing/project/project';
import type { DatedUsage } from './usages';

/**
 * A second opinion on every invoice total. It shares no code with src/billing: fractions of BigInts
 * instead of decimals, rows looked up day by day in the catalog's document, and a month priced as
 * one sum instead of line by line differences.
 */

type Fraction = readonly [numerator: bigint, denominator: bigint];

const fraction = (text: string): Fraction => {
  const [whole, places = ''] = text.split('.') as [string, string?];
  return [BigInt(whole + places), 10n ** BigInt(places.length)];
};
const times = (a: Fraction, b: Fraction): Fraction => [a[0] * b[0], a[1] * b[1]];
const over = (a: Fraction, b: Fraction): Fraction => [a[0] * b[1], a[1] * b[0]];
const minus = (a: Fraction, b: Fraction): Fraction => [a[0] * b[1] - b[0] * a[1], a[1] * b[1]];
const less = (a: Fraction, b: Fraction): boolean => a[0] * b[1] < b[0] * a[1];
const least = (a: Fraction, b: Fraction): Fraction => (less(a, b) ? a : b);
const none: Fraction = [0n, 1n];
const up = ([n, d]: Fraction): Fraction => [(n + d - 1n) / d, 1n];
/** Half up, to hundredths. */
const toCents = ([n, d]: Fraction): bigint => (200n * n + d) / (2n * d);

export interface OracleInvoice {
  readonly total: bigint;
  readonly tax: bigint;
  /** What the month's credit note gives back, below 0; 0 for none. */
  readonly credited: bigint;
  /** What is left for the next month, should this be the last. */
  readonly carried: bigint;
}

/** The invoices of consecutive months, in cents. Every model used must have a price. */
export function oracleInvoices(
  document: CatalogDocument,
  project: ProjectDocument,
  usages: readonly DatedUsage[],
  months: readonly string[],
): OracleInvoice[] {
  let carried = 0n;
  return months.map((month) => {
    const origins = new Set([
      month,
      ...usages.filter((u) => u.arrival === month).map((u) => u.day.slice(0, 7)),
    ]);
    let own = 0n;
    let late = 0n;
    let tax = 0n;
    for (const origin of origins) {
      const of = usages.filter((usage) => usage.day.startsWith(origin));
      const after = costOf(
        document,
        project,
        origin,
        of.filter((usage) => usage.arrival <= month),
      );
      const before = costOf(
        document,
        project,
        origin,
        of.filter((usage) => usage.arrival < month),
      );
      const taxAdded =
        taxOn(after, project, origin) - (origin === month ? 0n : taxOn(before, project, origin));
      tax += taxAdded;
      if (origin === month) own = after + taxAdded;
      else late += after - before + taxAdded;
    }
    const granted = (project.credits ?? [])
      .filter((credit) => credit.month === month)
      .reduce((all, credit) => all + toCents(fraction(credit.amount)), 0n);
    // What gives back all there is to pay, or more, is a document of its own.
    const credited = late < 0n && -late >= own ? late : 0n;
    const rest = own + late - credited - carried - granted;
    carried = rest < 0n ? -rest : 0n;
    return { total: rest < 0n ? 0n : rest, tax, credited, carried };
  });
}

function taxOn(net: bigint, project: ProjectDocument, month: string): bigint {
  const rows = (project.profile?.taxes ?? []).filter((tax) => tax.from.slice(0, 7) <= month);
  const tax = rows.sort((a, b) => a.from.localeCompare(b.from)).at(-1);
  return tax === undefined ? 0n : toCents(times([net, 100n], fraction(tax.rate)));
}

const daysOf = (month: string): string[] =>
  Array.from({ length: 31 }, (_, i) => new Date(Date.parse(`${month}-01T00:00:00Z`) + i * 86_400_000))
    .map((date) => date.toISOString().slice(0, 10))
    .filter((day) => day.startsWith(month));

function latest<T extends { from: string }>(rows: readonly T[], day: string): T | undefined {
  return rows.reduce<T | undefined>(
    (best, row) => (row.from <= day && (best === undefined || row.from >= best.from) ? row : best),
    undefined,
  );
}

/** Fee, usage and plan credits of a month, in cents. */
function costOf(
  document: CatalogDocument,
  project: ProjectDocument,
  month: string,
  usages: readonly DatedUsage[],
): bigint {
  const days = daysOf(month);
  const runs: { terms: Terms; days: Map<string, Terms> }[] = [];
  for (const day of days) {
    const terms = termsOn(document, project.plans, day);
    const last = runs.at(-1);
    if (last !== undefined && isSame(document, last.terms, terms, day)) {
      last.days.set(day, terms);
      last.terms = terms;
    } else runs.push({ terms, days: new Map([[day, terms]]) });
  }
  let cost = 0n;
  let minimum = none;
  for (const { terms, days: run } of runs) {
    cost += costOfRun(document, terms, run, days.length, usages);
    if (!terms.blocks) cost += costOfNumbers(document, project, run, days.length);
    const share = times(fraction(terms.minimum), [BigInt(run.size), BigInt(days.length)]);
    minimum = minus(minimum, times(share, [-1n, 1n]));
  }
  return cost < toCents(minimum) ? toCents(minimum) : cost;
}

/** Phone numbers, day by day; each run of days with as many at one price is rounded once. */
function costOfNumbers(
  { phoneNumbers: rows = [] }: CatalogDocument,
  { profile }: ProjectDocument,
  days: ReadonlyMap<string, Terms>,
  monthDays: number,
): bigint {
  let cost = 0n;
  for (const kind of ['usLocal', 'usTollFree'] as const) {
    const runs = new Map<string, Fraction>();
    let [run, last] = [0, ''];
    for (const [day, terms] of days) {
      const { price, included } = numberOn(rows, terms, kind, day);
      const count = latest(profile?.phoneNumbers ?? [], day)?.[kind] ?? 0;
      const sign = `${count} ${reduced(price)} ${included}`;
      if (sign !== last) [run, last] = [run + 1, sign];
      const share = times(fraction(price), [BigInt(Math.max(0, count - included)), BigInt(monthDays)]);
      const sum = runs.get(String(run)) ?? none;
      runs.set(String(run), minus(sum, times(share, [-1n, 1n])));
    }
    for (const amount of runs.values()) cost += toCents(amount);
  }
  return cost;
}

function numberOn(
  rows: NonNullable<CatalogDocument['phoneNumbers']>,
  { plan, numbers }: Terms,
  kind: 'usLocal' | 'usTollFree',
  day: string,
): { price: string; included: number } {
  const own = numbers.find((one) => one.kind === kind);
  const row = latest(
    rows.filter((one) => one.kind === kind),
    day,
  )!;
  return { price: own?.price ?? row.plans[plan]!, included: own?.included ?? row.included?.[plan] ?? 0 };
}

/**
 * Whether a day goes on under the terms of the day before: it charges the same for the same,
 * however it is written.
 */
function isSame(document: CatalogDocument, a: Terms, b: Terms, day: string): boolean {
  const plain = ({ plan, fee, blocks, gift, minimum, quotas }: Terms): string =>
    JSON.stringify([
      plan,
      blocks,
      [fee, gift, minimum].map((text) => reduced(text)),
      quotas
        .filter(({ included }) => fraction(included)[0] !== 0n)
        .map(({ meters, included }) => [meters.join(), reduced(included)].join())
        .sort(),
    ]);
  if (plain(a) !== plain(b)) return false;
  for (const { kind } of [...a.numbers, ...b.numbers]) {
    const [before, after] = [a, b].map((terms) => numberOn(document.phoneNumbers ?? [], terms, kind, day));
    if (reduced(before!.price) !== reduced(after!.price) || before!.included !== after!.included)
      return false;
  }
  const models = [
    ...document.inference.stt.models,
    ...document.inference.llm.models,
    ...document.inference.tts.models,
  ];
  const names = [...new Set(models.map(({ model }) => model)), 'of no catalog'];
  const keys = [...a.agreed, ...b.agreed].flatMap(({ meter }) =>
    meter.startsWith('inference.') ? names.map((model) => `${meter}/${model}`) : [meter],
  );
  return keys.every((key) => {
    const [before, after] = [priceOn(document, a, key, day), priceOn(document, b, key, day)];
    return before === undefined || after === undefined ? before === after : before.sign === after.sign;
  });
}

/** A fraction in its lowest terms, as text. */
function reduced(text: string, [, per]: Fraction = [0n, 1n]): string {
  const [n, d] = fraction(text);
  const greatest = (a: bigint, b: bigint): bigint => (b === 0n ? a : greatest(b, a % b));
  const divisor = greatest(n, d * per);
  return divisor === 0n ? '0' : `${n / divisor}/${(d * per) / divisor}`;
}

/** What a price charges, as text: a tier that costs as much as the next one is a part of it. */
function signOf(price: PriceDocument, per: string): string {
  const each = (amount: string): string => reduced(amount, [0n, fraction(per)[0]]);
  const zeros = (amounts: readonly string[]): boolean =>
    amounts.every((amount) => fraction(amount)[0] === 0n);
  if (typeof price === 'string') return zeros([price]) ? 'free' : each(price);
  if ('package' in price)
    return zeros([price.amount]) ? 'free' : `${reduced(price.package)} for ${reduced(price.amount)}`;
  const tiers = 'volume' in price ? price.volume : price.graduated;
  if (zeros(tiers.map(({ amount }) => amount))) return 'free';
  const steps: string[] = [];
  tiers.forEach(({ upTo, amount }, i) => {
    const next = tiers[i + 1];
    if (next === undefined || each(next.amount) !== each(amount))
      steps.push(next === undefined ? each(amount) : `${each(amount)} to ${reduced(upTo!)}`);
  });
  return steps.length === 1 ? steps[0]! : `${'volume' in price ? 'volume' : 'graduated'} ${steps.join()}`;
}

interface Terms {
  plan: string;
  fee: string;
  blocks: boolean;
  gift: string;
  minimum: string;
  quotas: { meters: readonly string[]; included: string }[];
  agreed: { meter: string; model?: string; per: string; price: PriceDocument }[];
  numbers: NonNullable<Overrides['phoneNumbers']>;
}

function termsOn(document: CatalogDocument, plans: readonly PlanEntry[], day: string): Terms {
  const entry = latest(plans, day);
  const plan = entry?.plan ?? document.defaultPlan;
  const row = latest(
    document.plans.filter((one) => one.plan === plan),
    day,
  )!;
  const own = entry?.overrides ?? {};
  const names = new Set(
    [...document.allowances, ...(own.allowances ?? [])].map((allowance) => allowance.name),
  );
  const quotas = [...names].map((name) => {
    const listed = latest(
      document.allowances.filter((one) => one.name === name),
      day,
    );
    const mine = own.allowances?.find((one) => one.name === name);
    return {
      meters: mine?.meters ?? listed?.meters ?? [],
      included: mine?.included ?? listed?.included[plan] ?? '0',
    };
  });
  return {
    plan,
    fee: own.fee ?? row.fee,
    blocks: (own.atQuota ?? row.atQuota) === 'block',
    gift: own.inferenceCredits ?? row.inferenceCredits ?? '0',
    minimum: own.minimumSpend ?? row.minimumSpend ?? '0',
    quotas,
    agreed: [...(own.rates ?? [])],
    numbers: own.phoneNumbers ?? [],
  };
}

const unitSize = (key: string): bigint =>
  key.startsWith('transfer.')
    ? 1_000_000_000n
    : /^(session|agent\.(session|recording|voice_isolation))/.test(key)
      ? 60n
      : 1n;

function costOfRun(
  document: CatalogDocument,
  terms: Terms,
  days: ReadonlyMap<string, Terms>,
  monthDays: number,
  usages: readonly DatedUsage[],
): bigint {
  const share = (text: string): Fraction => times(fraction(text), [BigInt(days.size), BigInt(monthDays)]);
  const whole = days.size === monthDays;
  const left = terms.quotas.map(({ included }) => (whole ? fraction(included) : up(share(included))));

  // One bag for each run of days on which a meter costs the same, in billing units.
  const bags = new Map<string, { key: string; turn: number; used: Fraction; price: Priced }>();
  for (const key of new Set(usages.map((usage) => properKey(document, usage.key)))) {
    const of = usages.filter((usage) => properKey(document, usage.key) === key);
    const turn = Math.max(0, ...terms.quotas.map(({ meters }) => meters.indexOf(key.split('/')[0]!)));
    let since = '';
    let price: Priced | undefined;
    for (const [day, onDay] of days) {
      const today = priceOn(document, onDay, key, day)!;
      if (price === undefined || today.sign !== price.sign) [since, price] = [day, today];
      for (const { quantity } of of.filter((usage) => usage.day === day)) {
        const id = `${key} ${since}`;
        const bag = bags.get(id) ?? { key, turn, used: none, price };
        bags.set(id, { ...bag, used: [bag.used[0] + quantity, unitSize(key)] });
      }
    }
  }
  const ordered = [...bags]
    .sort(([a, x], [b, y]) => x.turn - y.turn || (a < b ? -1 : 1))
    .map(([, bag]) => bag);

  let usage = 0n;
  let inference = 0n;
  for (const { key, used, price } of ordered) {
    const quota = terms.quotas.findIndex(({ meters }) => meters.includes(key.split('/')[0]!));
    const included = quota < 0 ? none : least(used, left[quota]!);
    if (quota >= 0) left[quota] = minus(left[quota]!, included);
    const charged = minus(used, included);
    if (key.startsWith('inference.')) inference += amountOf(price, charged);
    else if (!terms.blocks) usage += amountOf(price, charged);
  }
  const gift = toCents(share(terms.gift));
  const paidInference = terms.blocks || inference < gift ? 0n : inference - gift;
  return toCents(share(terms.fee)) + usage + paidInference;
}

interface Priced {
  price: PriceDocument;
  per: string;
  /** Tells prices that charge otherwise apart. */
  sign: string;
}

const pricedAt = (price: PriceDocument, per: string): Priced => ({ price, per, sign: signOf(price, per) });

/** A meter key with the model's own name. */
function properKey(document: CatalogDocument, key: string): string {
  const [meter, ...rest] = key.split('/') as [string, ...string[]];
  if (rest.length === 0) return key;
  const { stt, llm, tts, aliases } = document.inference;
  const section = { stt, llm, tts }[meter.split('.')[1] as 'stt' | 'llm' | 'tts'];
  const name = rest.join('/');
  const isListed = section.models.some((row: { model: string }) => row.model === name);
  const alias = aliases[name] ?? name;
  if (typeof alias !== 'string') throw new Error('random catalogs have no dated aliases');
  return isListed ? key : `${meter}/${alias}`;
}

function priceOn(document: CatalogDocument, terms: Terms, used: string, day: string): Priced | undefined {
  const key = properKey(document, used);
  const [meter, ...rest] = key.split('/') as [string, ...string[]];
  const { stt, llm, tts } = document.inference;
  const kind = meter.split('.')[1];
  const model = rest.length === 0 ? undefined : rest.join('/');
  const ofMeter = terms.agreed.filter((rate) => rate.meter === meter);
  const agreed =
    ofMeter.find(
      (rate) => rate.model !== undefined && properKey(document, `${meter}/${rate.model}`) === key,
    ) ?? ofMeter.find((rate) => rate.model === undefined);
  if (agreed !== undefined) return pricedAt(agreed.price, agreed.per);
  if (model === undefined) {
    const row = latest(
      document.rates.filter((rate) => rate.meter === meter),
      day,
    )!;
    return pricedAt((row.plans?.[terms.plan] ?? row.price)!, row.per ?? '1');
  }
  if (kind !== 'llm') {
    const section = kind === 'stt' ? stt : tts;
    const row = latest(
      section.models.filter((one) => one.model === model),
      day,
    );
    return row && pricedAt(row.plans?.[terms.plan] ?? row.price, section.per);
  }
  const row = latest(
    llm.models.filter((one) => one.model === model),
    day,
  );
  if (row === undefined) return undefined;
  const prices = row.plans?.[terms.plan] ?? row;
  const price =
    meter === 'inference.llm.output'
      ? prices.output
      : meter === 'inference.llm.input'
        ? prices.input
        : (prices.cachedInput ?? prices.input);
  return pricedAt(price, llm.per);
}

function amountOf({ price, per }: Priced, quantity: Fraction): bigint {
  if (typeof price === 'string') return toCents(over(times(quantity, fraction(price)), fraction(per)));
  if ('package' in price) {
    return toCents(times(up(over(quantity, fraction(price.package))), fraction(price.amount)));
  }
  if ('volume' in price) {
    const tier = price.volume.find(({ upTo }) => upTo === undefined || !less(fraction(upTo), quantity))!;
    return toCents(over(times(quantity, fraction(tier.amount)), fraction(per)));
  }
  let start = none;
  let amount = 0n;
  for (const tier of price.graduated) {
    const end = tier.upTo === undefined ? quantity : least(quantity, fraction(tier.upTo));
    if (less(start, end))
      amount += toCents(over(times(minus(end, start), fraction(tier.amount)), fraction(per)));
    start = end;
  }
  return amount;
}
