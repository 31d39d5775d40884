import type { Catalog, CatalogDocument, DatedUnitPrice, LlmPrices, PriceDocument } from './catalog';
import { catalogProblems } from './catalog-problems';
import { unitPriceOf } from '../pricing/unit-price';

export type CatalogAnswer =
  | { readonly ok: true; readonly catalog: Catalog }
  | { readonly ok: false; readonly problems: readonly string[] };

/**
 * Checks what a JSON Schema cannot check, such as references to names that do not exist, days that
 * do not exist and contradicting rows. `document` must already match `schemas/catalog.v1.json`.
 * Each problem names its row.
 */
export function buildCatalog(document: CatalogDocument): CatalogAnswer {
  const problems = catalogProblems(document);
  if (problems.length > 0) return { ok: false, problems };
  const catalog: Catalog = {
    currency: document.currency,
    minorDigits: document.minorDigits,
    defaultPlan: document.defaultPlan,
    plans: byName(document.plans, (row) => row.plan),
    allowances: byName(document.allowances, (row) => row.name),
    phoneNumbers: byName(document.phoneNumbers ?? [], (row) => row.kind),
    rates: byName(datedRates(document), (row) => row.name),
    aliases: new Map(Object.entries(document.inference.aliases)),
  };
  return { ok: true, catalog };
}

function byName<T extends { readonly from: string }>(
  rows: Iterable<T>,
  nameOf: (row: T) => string,
): Map<string, T[]> {
  const named = new Map<string, T[]>();
  for (const row of rows) {
    const same = named.get(nameOf(row));
    if (same === undefined) named.set(nameOf(row), [row]);
    else same.push(row);
  }
  for (const same of named.values()) same.sort((a, b) => (a.from < b.from ? -1 : 1));
  return named;
}

type NamedRate = DatedUnitPrice & { readonly name: string };

function* datedRates(document: CatalogDocument): Generator<NamedRate> {
  for (const row of document.rates) yield dated(row.meter, row.from, row.per, row.price, row.plans ?? {});
  for (const kind of ['stt', 'tts'] as const) {
    const { per, models } = document.inference[kind];
    for (const row of models) {
      yield dated(`inference.${kind}/${row.model}`, row.from, per, row.price, row.plans ?? {});
    }
  }
  const { per, models } = document.inference.llm;
  for (const row of models) {
    for (const [meter, priceOf] of llmMeters) {
      const plans = Object.fromEntries(
        Object.entries(row.plans ?? {}).map(([plan, prices]) => [plan, priceOf(prices)]),
      );
      yield dated(`${meter}/${row.model}`, row.from, per, priceOf(row), plans);
    }
  }
}

const llmMeters: readonly (readonly [string, (prices: LlmPrices) => PriceDocument])[] = [
  ['inference.llm.input', (prices) => prices.input],
  ['inference.llm.cached_input', (prices) => prices.cachedInput ?? prices.input],
  ['inference.llm.output', (prices) => prices.output],
];

function dated(
  name: string,
  from: string,
  per: string | undefined,
  price: PriceDocument | undefined,
  plans: Readonly<Record<string, PriceDocument>>,
): NamedRate {
  return {
    name,
    from,
    unitPrice: price === undefined ? undefined : unitPriceOf(price, per),
    plans: new Map(Object.entries(plans).map(([plan, own]) => [plan, unitPriceOf(own, per)])),
  };
}
