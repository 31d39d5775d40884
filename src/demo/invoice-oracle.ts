/**
 * A second, naive reading of the price list, to judge invoices by. It reads the catalog's JSON only and calculates with
 * fractions of BigInt; it shares no code with src/billing. It knows what the built-in catalog needs: flat prices, and no
 * price that changes within a month.
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

/** How many base units make a billing unit. */
function unitSize(meter: string): bigint {
  if (meter.startsWith('session.') || meter === 'agent.session' || meter === 'agent.recording') return 60n;
  return meter.startsWith('transfer.') ? 1_000_000_000n : 1n;
}

/**
 * What a project owes for a month, in cents.
 *
 * @param months the project's totals by month as they are kept, late usage as `<month>@<meter>`
 */
export function centsDue(
  prices: PriceList,
  plan: string | undefined,
  month: string,
  months: ReadonlyMap<string, Totals>,
): bigint {
  const onTime = new Map<string, bigint>();
  const late = new Map<string, Map<string, bigint>>();
  for (const [name, quantity] of months.get(month) ?? []) {
    const at = name.indexOf('@');
    if (at < 0) onTime.set(name, quantity);
    else {
      const origin = name.slice(0, at);
      late.set(origin, (late.get(origin) ?? new Map<string, bigint>()).set(name.slice(at + 1), quantity));
    }
  }
  let cents = monthCents(prices, plan ?? prices.defaultPlan, month, onTime);
  for (const [origin, quantities] of late) {
    const before = known(months, origin, month);
    const after = new Map(before);
    for (const [meter, quantity] of quantities) after.set(meter, (after.get(meter) ?? 0n) + quantity);
    const terms = plan ?? prices.defaultPlan;
    cents += monthCents(prices, terms, origin, after) - monthCents(prices, terms, origin, before);
  }
  return cents;
}

/** What was already billed of a month before `until`: its own totals, and what came in late in between. */
function known(months: ReadonlyMap<string, Totals>, origin: string, until: string): Map<string, bigint> {
  const sum = new Map<string, bigint>();
  for (const [month, totals] of months) {
    if (month < origin || month >= until) continue;
    for (const [name, quantity] of totals) {
      const own =
        month === origin && !name.includes('@')
          ? name
          : name.startsWith(`${origin}@`)
            ? name.slice(8)
            : undefined;
      if (own !== undefined) sum.set(own, (sum.get(own) ?? 0n) + quantity);
    }
  }
  return sum;
}

function monthCents(prices: PriceList, planName: string, month: string, totals: Totals): bigint {
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

  let usage = 0n;
  let inference = 0n;
  for (const [meter, quantity] of left) {
    if (quantity === 0n) continue;
    if (meter.startsWith('inference.')) inference += inferenceCents(prices, planName, month, meter, quantity);
    else if (!blocks) {
      const row = current(
        prices.rates.filter((candidate) => candidate.meter === meter),
        month,
      );
      if (!row) throw new Error(`the price list has no rate of ${meter}`);
      usage += roundedCents(priceOf(row, planName), quantity, fraction(row.per ?? '1').top * unitSize(meter));
    }
  }
  const credits = cents(fraction(plan.inferenceCredits ?? '0'));
  const inferenceDue = blocks || inference < credits ? 0n : inference - credits;
  return cents(fraction(plan.fee)) + usage + inferenceDue;
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
  if (typeof price !== 'string') throw new Error(`${JSON.stringify(price)} is no flat price`);
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
