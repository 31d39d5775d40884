import { splitMeterKey } from '../../rating/meters';
import {
  aliasesIn,
  inForce,
  type CatalogDocument,
  type LlmPrices,
  type PhoneNumberRow,
  type PlanRow,
  type PriceDocument,
} from './catalog';
import { inInvoiceOrder, unitOf } from '../pricing/units';

/** The rows of a catalog that are in force on one day, at most one per name. */
export interface CatalogOn {
  readonly name: string;
  readonly currency: string;
  readonly day: string;
  readonly defaultPlan: string;
  readonly plans: readonly PlanRow[];
  readonly allowances: readonly {
    readonly name: string;
    readonly meters: readonly string[];
    readonly unit: string;
    /** By plan. */
    readonly included: Readonly<Record<string, string>>;
    readonly from: string;
  }[];
  readonly rates: readonly RateOn[];
  readonly phoneNumbers: readonly {
    readonly kind: PhoneNumberRow['kind'];
    /** By plan, how many are free. */
    readonly included: Readonly<Record<string, number>>;
    /** By plan, for a month; null if the plan has no price. */
    readonly prices: Readonly<Record<string, string | null>>;
    readonly from: string;
    readonly note?: string;
  }[];
  /** Alias -> model. */
  readonly aliases: Readonly<Record<string, string>>;
}

export interface RateOn {
  readonly meter: string;
  readonly model?: string;
  readonly unit: string;
  /** The number of units that a price is for. */
  readonly per: string;
  /** By plan; null if the plan has no price. */
  readonly prices: Readonly<Record<string, PriceDocument | null>>;
  readonly from: string;
  readonly note?: string;
}

/** The rows in force on a day, in the order of an invoice. `plan` limits them to one plan. */
export function catalogOn(document: CatalogDocument, day: string, plan?: string): CatalogOn {
  const plans = rowsOn(document.plans, day, (row) => row.plan).filter(
    (row) => plan === undefined || row.plan === plan,
  );
  const names = plans.map((row) => row.plan);
  const byPlan = <T>(of: (name: string) => T): Record<string, T> =>
    Object.fromEntries(names.map((name) => [name, of(name)]));
  const rates = new Map(
    ratesOn(document, day).map(({ key, per, row, priceFor }): [string, RateOn] => {
      const { meter, model } = splitMeterKey(key);
      const rate = {
        meter,
        ...(model !== undefined && { model }),
        unit: unitOf(meter).name,
        per,
        prices: byPlan((name) => priceFor(name) ?? null),
        from: row.from,
        ...(row.note !== undefined && { note: row.note }),
      };
      return [key, rate];
    }),
  );
  return {
    name: document.name,
    currency: document.currency,
    day,
    defaultPlan: document.defaultPlan,
    plans,
    allowances: rowsOn(document.allowances, day, (row) => row.name).map((row) => ({
      name: row.name,
      meters: row.meters,
      unit: unitOf(row.meters[0]!).name,
      included: byPlan((name) => row.included[name] ?? '0'),
      from: row.from,
    })),
    rates: inInvoiceOrder(rates.keys()).map((key) => rates.get(key)!),
    phoneNumbers: rowsOn(document.phoneNumbers ?? [], day, (row) => row.kind).map((row) => ({
      kind: row.kind,
      included: byPlan((name) => row.included?.[name] ?? 0),
      prices: byPlan((name) => row.plans[name] ?? null),
      from: row.from,
      ...(row.note !== undefined && { note: row.note }),
    })),
    aliases: Object.fromEntries(aliasesIn(Object.entries(document.inference.aliases), day.slice(0, 7))),
  };
}

interface PricedRow {
  readonly key: string;
  readonly per: string;
  readonly row: { readonly from: string; readonly note?: string };
  readonly priceFor: (plan: string) => PriceDocument | undefined;
}

function ratesOn({ rates, inference }: CatalogDocument, day: string): PricedRow[] {
  const { stt, llm, tts } = inference;
  const byModel = (kind: 'stt' | 'tts'): PricedRow[] =>
    rowsOn(inference[kind].models, day, ({ model }) => model).map((row) => ({
      key: `inference.${kind}/${row.model}`,
      per: kind === 'stt' ? stt.per : tts.per,
      row,
      priceFor: (plan) => row.plans?.[plan] ?? row.price,
    }));
  const ofTokens: readonly [string, (prices: LlmPrices) => PriceDocument][] = [
    ['input', (prices) => prices.input],
    ['cached_input', (prices) => prices.cachedInput ?? prices.input],
    ['output', (prices) => prices.output],
  ];
  return [
    ...rowsOn(rates, day, ({ meter }) => meter).map((row) => ({
      key: row.meter,
      per: row.per ?? '1',
      row,
      priceFor: (plan: string) => row.plans?.[plan] ?? row.price,
    })),
    ...byModel('stt'),
    ...rowsOn(llm.models, day, ({ model }) => model).flatMap((row) =>
      ofTokens.map(([kind, priceOf]) => ({
        key: `inference.llm.${kind}/${row.model}`,
        per: llm.per,
        row,
        priceFor: (plan: string) => priceOf(row.plans?.[plan] ?? row),
      })),
    ),
    ...byModel('tts'),
  ];
}

function rowsOn<T extends { readonly from: string }>(
  rows: readonly T[],
  day: string,
  nameOf: (row: T) => string,
): T[] {
  const named = new Map<string, T[]>();
  for (const row of rows) named.set(nameOf(row), [...(named.get(nameOf(row)) ?? []), row]);
  return [...named.values()].flatMap((same) => {
    const row = inForce(
      same.toSorted((a, b) => (a.from < b.from ? -1 : 1)),
      day,
    );
    return row === undefined ? [] : [row];
  });
}
