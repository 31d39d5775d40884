import type { CatalogDocument, PriceDocument } from '../../src/billing/catalog';
import type { PlanEntry, ProjectDocument } from '../../src/billing/project';
import type { DatedUsage } from './usages';

/**
 * A second opinion on every invoice total. It shares no code with src/billing: fractions of BigInts instead of decimals,
 * rows looked up day by day in the catalog's document, and a month priced as one sum instead of line by line differences.
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
  const runs: { terms: Terms; days: string[] }[] = [];
  for (const day of days) {
    const terms = termsOn(document, project.plans, day);
    const last = runs.at(-1);
    if (last !== undefined && JSON.stringify(last.terms) === JSON.stringify(terms)) last.days.push(day);
    else runs.push({ terms, days: [day] });
  }
  let cost = 0n;
  let minimum = none;
  for (const { terms, days: run } of runs) {
    cost += costOfRun(document, terms, run, days.length, usages);
    const share = times(fraction(terms.minimum), [BigInt(run.length), BigInt(days.length)]);
    minimum = minus(minimum, times(share, [-1n, 1n]));
  }
  return cost < toCents(minimum) ? toCents(minimum) : cost;
}

interface Terms {
  plan: string;
  fee: string;
  blocks: boolean;
  gift: string;
  minimum: string;
  quotas: { meters: readonly string[]; included: string }[];
  agreed: { meter: string; model?: string; per: string; price: PriceDocument }[];
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
  };
}

const unitSize = (key: string): bigint =>
  key.startsWith('transfer.') ? 1_000_000_000n : /^(session|agent\.(session|recording))/.test(key) ? 60n : 1n;

function costOfRun(
  document: CatalogDocument,
  terms: Terms,
  days: readonly string[],
  monthDays: number,
  usages: readonly DatedUsage[],
): bigint {
  const share = (text: string): Fraction => times(fraction(text), [BigInt(days.length), BigInt(monthDays)]);
  const whole = days.length === monthDays;
  const left = terms.quotas.map(({ included }) => (whole ? fraction(included) : up(share(included))));

  // One bag for each price of each meter, in billing units.
  const bags = new Map<string, { key: string; turn: number; used: Fraction; price: Priced }>();
  for (const { day, key, quantity } of usages) {
    if (!days.includes(day)) continue;
    const price = priceOn(document, terms, key, day);
    const turn = Math.max(0, ...terms.quotas.map(({ meters }) => meters.indexOf(key.split('/')[0]!)));
    const id = `${key} ${price.since}`;
    const bag = bags.get(id) ?? { key, turn, used: none, price };
    bags.set(id, { ...bag, used: [bag.used[0] + quantity, unitSize(key)] });
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
  /** Tells the prices of one meter apart. */
  since: string;
}

function priceOn(document: CatalogDocument, terms: Terms, key: string, day: string): Priced {
  const [meter, ...rest] = key.split('/') as [string, ...string[]];
  const { stt, llm, tts, aliases } = document.inference;
  const kind = meter.split('.')[1];
  const section = kind === 'stt' ? stt : kind === 'tts' ? tts : llm;
  const used = rest.length === 0 ? undefined : rest.join('/');
  const isListed = (model: string | undefined): boolean =>
    section.models.some((row: { model: string }) => row.model === model);
  const properName = (name: string | undefined): string | undefined =>
    name === undefined || isListed(name) ? name : (aliases[name] ?? name);
  const model = properName(used);
  const ofMeter = terms.agreed.filter((rate) => rate.meter === meter);
  const agreed =
    ofMeter.find((rate) => rate.model !== undefined && properName(rate.model) === model) ??
    ofMeter.find((rate) => rate.model === undefined);
  if (agreed !== undefined) return { price: agreed.price, per: agreed.per, since: 'agreed' };
  if (model === undefined) {
    const row = latest(
      document.rates.filter((rate) => rate.meter === meter),
      day,
    )!;
    return { price: (row.plans?.[terms.plan] ?? row.price)!, per: row.per ?? '1', since: row.from };
  }
  if (kind !== 'llm') {
    const models = (kind === 'stt' ? stt : tts).models.filter((row) => row.model === model);
    const row = latest(models, day)!;
    return { price: row.plans?.[terms.plan] ?? row.price, per: section.per, since: row.from };
  }
  const row = latest(
    llm.models.filter((one) => one.model === model),
    day,
  )!;
  const prices = row.plans?.[terms.plan] ?? row;
  const price =
    meter === 'inference.llm.output'
      ? prices.output
      : meter === 'inference.llm.input'
        ? prices.input
        : (prices.cachedInput ?? prices.input);
  return { price, per: llm.per, since: row.from };
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
