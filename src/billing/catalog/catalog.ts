import type { Decimal } from '../pricing/decimal';

/** A catalog file (`schemas/catalog.v1.json`). Amounts and quantities are decimal strings. */
export interface CatalogDocument {
  readonly name: string;
  readonly notes?: readonly string[];
  /** ISO 4217. */
  readonly currency: string;
  /** The digits of the currency's minor unit: 2 for cents. */
  readonly minorDigits: number;
  /** The plan of a project that has none, and of the days before its first one. */
  readonly defaultPlan: string;
  readonly plans: readonly PlanRow[];
  readonly allowances: readonly AllowanceRow[];
  readonly rates: readonly RateRow[];
  readonly phoneNumbers?: readonly PhoneNumberRow[];
  readonly inference: {
    readonly stt: { readonly per: string; readonly models: readonly ModelRow[] };
    readonly llm: { readonly per: string; readonly models: readonly LlmRow[] };
    readonly tts: { readonly per: string; readonly models: readonly ModelRow[] };
    /** Alias -> model. */
    readonly aliases: Readonly<Record<string, string | DatedAlias>>;
  };
}

/** An alias that begins with a month, so that the cost of earlier months does not change. */
export interface DatedAlias {
  readonly model: string;
  /** The first day of a month. */
  readonly from: string;
  readonly note?: string;
}

/**
 * A row is in force from the start of the day `from` in the billing zone until the next row of the
 * same name begins.
 */
interface Dated {
  readonly from: string;
  readonly note?: string;
}

/**
 * Usage beyond the quota is charged, or it is blocked. Usage that should have been blocked is
 * reported and never charged.
 */
export type AtQuota = 'overage' | 'block';

export interface PlanRow extends Dated {
  readonly plan: string;
  readonly name: string;
  /** Per month. */
  readonly fee: string;
  readonly atQuota: AtQuota;
  /** Money per month that inference uses up first. */
  readonly inferenceCredits?: string;
  /** The least that a month costs before tax. Fee and usage count towards it. */
  readonly minimumSpend?: string;
}

/** A quantity that is included each month. The listed meters use it up in their order. */
export interface AllowanceRow extends Dated {
  readonly name: string;
  readonly meters: readonly string[];
  /** By plan, in the billing unit of the meters. A plan that is missing here includes nothing. */
  readonly included: Readonly<Record<string, string>>;
}

export interface RateRow extends Dated {
  readonly meter: string;
  /** The number of billing units that the price is for, 1 by default. */
  readonly per?: string;
  /** For every plan that is missing in `plans`. */
  readonly price?: PriceDocument;
  readonly plans?: Readonly<Record<string, PriceDocument>>;
}

/** The monthly price of a rented phone number. */
export interface PhoneNumberRow extends Dated {
  readonly kind: 'usLocal' | 'usTollFree';
  readonly plans: Readonly<Record<string, string>>;
  /** By plan, how many are free. A plan that is missing here includes none. */
  readonly included?: Readonly<Record<string, number>>;
}

export interface ModelRow extends Dated {
  readonly model: string;
  readonly price: PriceDocument;
  readonly plans?: Readonly<Record<string, PriceDocument>>;
}

export interface LlmPrices {
  readonly input: PriceDocument;
  /** If it is missing, cached input costs as much as input. */
  readonly cachedInput?: PriceDocument;
  readonly output: PriceDocument;
}

export interface LlmRow extends Dated, LlmPrices {
  readonly model: string;
  readonly plans?: Readonly<Record<string, LlmPrices>>;
}

/**
 * A flat amount, tiers, or an amount for each package begun. Each `graduated` tier prices its own
 * part. With `volume`, the tier that is reached prices everything.
 */
export type PriceDocument =
  | string
  | { readonly graduated: readonly TierDocument[] }
  | { readonly volume: readonly TierDocument[] }
  | { readonly package: string; readonly amount: string };

/** `upTo` is inclusive, in billing units of what is charged. Only the last tier has none. */
export interface TierDocument {
  readonly upTo?: string;
  readonly amount: string;
}

/** An amount per `per` billing units. This rational number is not divided out before the end. */
export interface UnitPrice {
  readonly per: Decimal;
  readonly price: Price;
}

export type Price =
  | { readonly kind: 'flat'; readonly amount: Decimal }
  | { readonly kind: 'graduated' | 'volume'; readonly tiers: readonly Tier[] }
  | { readonly kind: 'package'; readonly size: Decimal; readonly amount: Decimal };

export interface Tier {
  readonly upTo: Decimal | undefined;
  readonly amount: Decimal;
}

/** What each plan pays for one meter or model from a day on. */
export interface DatedUnitPrice {
  readonly from: string;
  readonly unitPrice: UnitPrice | undefined;
  readonly plans: ReadonlyMap<string, UnitPrice>;
}

/**
 * A checked catalog, which only `buildCatalog` makes. Rows of the same name are in the order of
 * their days.
 */
export interface Catalog {
  readonly currency: string;
  readonly minorDigits: number;
  readonly defaultPlan: string;
  readonly plans: ReadonlyMap<string, readonly PlanRow[]>;
  readonly allowances: ReadonlyMap<string, readonly AllowanceRow[]>;
  /** By kind. */
  readonly phoneNumbers: ReadonlyMap<string, readonly PhoneNumberRow[]>;
  /** By meter, or by `meter/model`. */
  readonly rates: ReadonlyMap<string, readonly DatedUnitPrice[]>;
  readonly aliases: ReadonlyMap<string, string | DatedAlias>;
}

/** The aliases in force in a month: alias -> model. */
export function aliasesIn(
  aliases: Iterable<readonly [string, string | DatedAlias]>,
  month: string,
): Map<string, string> {
  const held = new Map<string, string>();
  for (const [name, alias] of aliases) {
    if (typeof alias === 'string') held.set(name, alias);
    else if (alias.from.slice(0, 7) <= month) held.set(name, alias.model);
  }
  return held;
}

/** The row in force on a day, which is the last one that had begun. */
export function inForce<T extends { readonly from: string }>(
  rows: readonly T[] | undefined,
  day: string,
): T | undefined {
  return rows?.findLast((row) => row.from <= day);
}
