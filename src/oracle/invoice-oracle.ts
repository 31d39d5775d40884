/**
 * A second, naive implementation of the price list, to check invoices. It reads only the catalog's
 * JSON, calculates with fractions of BigInt, and shares no code with src/billing. It supports what
 * the built-in catalog needs: flat prices, and no price that changes within a month.
 */
export interface PriceList {
  readonly defaultPlan: string;
  readonly plans: readonly {
    plan: string;
    from: string;
    fee: string;
    atQuota: string;
    inferenceCredits?: string;
  }[];
  readonly allowances: readonly {
    name: string;
    from: string;
    meters: readonly string[];
    included: Record<string, string>;
  }[];
  readonly rates: readonly Rated[];
  readonly phoneNumbers: readonly {
    kind: string;
    from: string;
    plans: Record<string, string>;
    included?: Record<string, number>;
  }[];
  readonly inference: {
    readonly stt: { readonly per: string; readonly models: readonly (Rated & { model: string })[] };
    readonly tts: { readonly per: string; readonly models: readonly (Rated & { model: string })[] };
    readonly llm: {
      readonly per: string;
      readonly models: readonly (LlmPrices & {
        model: string;
        from: string;
        plans?: Record<string, LlmPrices>;
      })[];
    };
    /** Alias -> model. */
    readonly aliases: Readonly<Record<string, string | { readonly model: string; readonly from: string }>>;
  };
}

interface Rated {
  readonly meter?: string;
  readonly from: string;
  readonly per?: string;
  readonly price?: unknown;
  readonly plans?: Record<string, unknown>;
}

interface LlmPrices {
  readonly input: unknown;
  readonly cachedInput?: unknown;
  readonly output: unknown;
}

interface Fraction {
  readonly top: bigint;
  readonly bottom: bigint;
}

type Totals = ReadonlyMap<string, bigint>;

/** How many phone numbers a project rents from a day on, by kind. */
export interface RentedNumbers {
  readonly from: string;
  readonly usLocal?: number;
  readonly usTollFree?: number;
}

/** The base units of a billing unit. */
function unitSize(meter: string): bigint {
  if (meter.startsWith('session.') || (meter.startsWith('agent.') && meter !== 'agent.events')) return 60n;
  return meter.startsWith('transfer.') ? 1_000_000_000n : 1n;
}

/** What a project owes for a month, in cents. The parameters are those of `linesDue`. */
export function centsDue(...input: Parameters<typeof linesDue>): bigint {
  return sumOf(linesDue(...input).values());
}

/**
 * What a project owes for a month, line by line: `plan`, `credit` and meter keys, with the model's
 * own name, -> cents; what late usage adds to an earlier month's lines has the key
 * `<month>@<line>`. Lines of 0 are left out.
 *
 * @param plan the project's plan in every month
 * @param months the project's totals by month as they are kept, late usage as `<month>@<meter>`
 * @param rented its phone numbers; their lines are `usLocal` and `usTollFree`
 */
export function linesDue(
  prices: PriceList,
  plan: string | undefined,
  month: string,
  months: ReadonlyMap<string, Totals>,
  rented: readonly RentedNumbers[] = [],
): Map<string, bigint> {
  const terms = plan ?? prices.defaultPlan;
  const linesOf = (origin: string, until: string): Totals =>
    monthLines(prices, terms, origin, billed(months, origin, until));
  const lines = new Map<string, bigint>();
  for (const [line, cents] of linesOf(month, month)) add(lines, line, cents);
  for (const [line, cents] of numberLines(prices, terms, month, rented)) add(lines, line, cents);
  const names = [...(months.get(month)?.keys() ?? [])].filter((name) => name.includes('@'));
  for (const origin of new Set(names.map((name) => name.slice(0, 7)))) {
    for (const [line, cents] of linesOf(origin, month)) add(lines, `${origin}@${line}`, cents);
    for (const [line, cents] of linesOf(origin, monthBefore(month))) add(lines, `${origin}@${line}`, -cents);
  }
  return new Map([...lines].filter(([, cents]) => cents !== 0n));
}

/**
 * What was billed of a month up to the close of `until`: its own totals, and what came late in the
 * months after.
 */
function billed(months: ReadonlyMap<string, Totals>, origin: string, until: string): Totals {
  const sum = new Map<string, bigint>();
  for (const [month, totals] of months) {
    if (month > until) continue;
    for (const [name, quantity] of totals) {
      const [from, meter] = name.includes('@') ? [name.slice(0, 7), name.slice(8)] : [month, name];
      if (from === origin) add(sum, meter, quantity);
    }
  }
  return sum;
}

function monthLines(prices: PriceList, planName: string, month: string, totals: Totals): Totals {
  const plan = current(
    prices.plans.filter((row) => row.plan === planName),
    month,
  );
  if (!plan) throw new Error(`the price list has no plan ${planName}`);
  const blocks = plan.atQuota === 'block';

  const left = new Map(totals);
  for (const name of new Set(prices.allowances.map((row) => row.name))) {
    const row = current(
      prices.allowances.filter((candidate) => candidate.name === name),
      month,
    );
    if (!row) continue;
    let included = fraction(row.included[planName] ?? '0');
    for (const meter of row.meters) {
      const size = unitSize(meter);
      const free = (included.top * size) / included.bottom;
      const used = left.get(meter) ?? 0n;
      const covered = used < free ? used : free;
      left.set(meter, used - covered);
      included = { top: free - covered, bottom: size };
    }
  }

  const lines = new Map([['plan', cents(fraction(plan.fee))]]);
  let inference = 0n;
  for (const [meter, quantity] of byProperName(prices, month, left)) {
    if (meter.startsWith('inference.')) {
      lines.set(meter, inferenceCents(prices, planName, month, meter, quantity));
      inference += lines.get(meter)!;
    } else if (!blocks) {
      const row = current(
        prices.rates.filter((candidate) => candidate.meter === meter),
        month,
      );
      if (!row) throw new Error(`the price list has no rate of ${meter}`);
      const per = fraction(row.per ?? '1').top * unitSize(meter);
      lines.set(meter, roundedCents(priceOf(row, planName), quantity, per));
    }
  }
  const credits = cents(fraction(plan.inferenceCredits ?? '0'));
  // A plan that blocks at its quota should also have stopped inference beyond the credits.
  lines.set('credit', blocks || inference < credits ? -inference : -credits);
  return lines;
}

/** Day by day. The days in a row with as many numbers are one amount, rounded once. */
function numberLines(
  prices: PriceList,
  plan: string,
  month: string,
  rented: readonly RentedNumbers[],
): Totals {
  const lines = new Map<string, bigint>();
  const blocks = current(prices.plans.filter((row) => row.plan === plan), month)?.atQuota === 'block'; // prettier-ignore
  const [year, number] = month.split('-').map(Number) as [number, number];
  const dayCount = new Date(Date.UTC(year, number, 0)).getUTCDate();
  for (const kind of blocks ? [] : (['usLocal', 'usTollFree'] as const)) {
    const row = current(prices.phoneNumbers.filter((candidate) => candidate.kind === kind), month); // prettier-ignore
    let run = { count: 0, days: 0n };
    const end = (): void => {
      const charged = BigInt(Math.max(0, run.count - (row?.included?.[plan] ?? 0)));
      if (charged === 0n) return;
      const price = row?.plans[plan];
      if (price === undefined) throw new Error(`the price list has no price of ${kind}`);
      add(lines, kind, roundedCents(fraction(price), charged * run.days, BigInt(dayCount)));
    };
    for (let day = 1; day <= dayCount; day += 1) {
      const date = `${month}-${String(day).padStart(2, '0')}`;
      const begun = rented.filter(({ from }) => from <= date).sort((a, b) => (a.from < b.from ? -1 : 1));
      const count = begun.at(-1)?.[kind] ?? 0;
      if (count === run.count) run.days += 1n;
      else {
        end();
        run = { count, days: 1n };
      }
    }
    end();
  }
  return lines;
}

/** Usage under several names of a model is usage of that model, and is rounded once. */
function byProperName(prices: PriceList, month: string, totals: Totals): Totals {
  const sums = new Map<string, bigint>();
  for (const [meter, quantity] of totals) add(sums, properName(prices, month, meter), quantity);
  return sums;
}

/** A meter key with the name that the price list has for its model. */
function properName({ inference }: PriceList, month: string, key: string): string {
  const slash = key.indexOf('/');
  if (slash < 0) return key;
  const kind = key.slice('inference.'.length, slash).split('.')[0] as 'stt' | 'llm' | 'tts';
  const used = key.slice(slash + 1);
  const rows: readonly { model: string }[] = inference[kind].models;
  if (rows.some((row) => row.model === used)) return key;
  const alias = inference.aliases[used] ?? used;
  const { model, from } = typeof alias === 'string' ? { model: alias, from: '' } : alias;
  return `${key.slice(0, slash)}/${from <= `${month}-01` ? model : used}`;
}

function inferenceCents(
  prices: PriceList,
  plan: string,
  month: string,
  meter: string,
  quantity: bigint,
): bigint {
  const slash = meter.indexOf('/');
  const kind = meter.slice('inference.'.length, slash);
  const model = meter.slice(slash + 1);
  if (kind === 'stt' || kind === 'tts') {
    const list = prices.inference[kind];
    const row = current(
      list.models.filter((candidate) => candidate.model === model),
      month,
    );
    if (!row) throw new Error(`the price list has no ${meter}`);
    return roundedCents(priceOf(row, plan), quantity, BigInt(list.per));
  }
  const list = prices.inference.llm;
  const row = current(
    list.models.filter((candidate) => candidate.model === model),
    month,
  );
  if (!row) throw new Error(`the price list has no ${meter}`);
  const of: LlmPrices = row.plans?.[plan] ?? row;
  const price =
    kind === 'llm.output' ? of.output : kind === 'llm.input' ? of.input : (of.cachedInput ?? of.input);
  return roundedCents(flat(price), quantity, BigInt(list.per));
}

function priceOf(row: Rated, plan: string): Fraction {
  return flat(row.plans?.[plan] ?? row.price);
}

function flat(price: unknown): Fraction {
  if (typeof price !== 'string') throw new Error(`${JSON.stringify(price)} is not a flat price`);
  return fraction(price);
}

function current<T extends { readonly from: string }>(rows: readonly T[], month: string): T | undefined {
  const begun = rows.filter(({ from }) => from <= `${month}-01`).sort((a, b) => (a.from < b.from ? -1 : 1));
  if (rows.some(({ from }) => from > `${month}-01` && from.startsWith(month)))
    throw new Error(`a price changes within ${month}`);
  return begun.at(-1);
}

function fraction(decimal: string): Fraction {
  const [whole = '0', digits = ''] = decimal.split('.');
  return { top: BigInt(whole + digits), bottom: 10n ** BigInt(digits.length) };
}

/** quantity * price / per, in whole cents, half up. */
function roundedCents({ top, bottom }: Fraction, quantity: bigint, per: bigint): bigint {
  return (2n * quantity * top * 100n + bottom * per) / (2n * bottom * per);
}

function cents({ top, bottom }: Fraction): bigint {
  return (top * 100n) / bottom;
}

function add(sums: Map<string, bigint>, name: string, amount: bigint): void {
  sums.set(name, (sums.get(name) ?? 0n) + amount);
}

function sumOf(amounts: Iterable<bigint>): bigint {
  return [...amounts].reduce((sum, amount) => sum + amount, 0n);
}

function monthBefore(month: string): string {
  const [year, number] = month.split('-').map(Number) as [number, number];
  return new Date(Date.UTC(year, number - 2, 1)).toISOString().slice(0, 7);
}
