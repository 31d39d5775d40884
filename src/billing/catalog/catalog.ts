import type { Decimal } from '../pricing/decimal';

/**
 * A catalog file, as `schemas/catalog.v1.json` describes it. Amounts and quantities are decimal
 * strings.
 */
export interface CatalogDocument {
  readonly name: string;
  readonly notes?: readonly string[];
  /** ISO 4217. */
  readonly currency: string;
  /** Digits of the currency's minor unit: 2 for cents. */
  readonly minorDigits: number;
  /** The plan of a project without one, and of the days before its first. */
  readonly defaultPlan: string;
  readonly plans: readonly PlanRow[];
  readonly allowances: readonly AllowanceRow[];
  readonly rates: readonly RateRow[];
  readonly phoneNumbers?: readonly PhoneNumberRow[];
  readonly inference: {
    readonly stt: { readonly per: string; readonly models: readonly ModelRow[] };
    readonly llm: { readonly per: string; readonly models: readonly LlmRow[] };
    readonly tts: { readonly per: string; readonly models: readonly ModelRow[] };
    /** Another name -> the model it stands for. */
    readonly aliases: Readonly<Record<string, string | DatedAlias>>;
  };
}

/** Another name of a model from a month on, so that what earlier months cost does not change. */
export interface DatedAlias {
  readonly model: string;
  /** The first day of a month. */
  readonly from: string;
  readonly note?: string;
}

/**
 * Every row holds from the start of the day `from` in the billing zone until the next row of the
 * same name.
 */
interface Dated {
  readonly from: string;
  readonly note?: string;
}

/**
 * At the quota usage goes on and is charged, or it is blocked: what slips through is reported and
 * never charged.
 */
export type AtQuota = 'overage' | 'block';

export interface PlanRow extends Dated {
  readonly plan: string;
  readonly name: string;
  /** A month. */
  readonly fee: string;
  readonly atQuota: AtQuota;
  /** Money a month that inference uses up first. */
  readonly inferenceCredits?: string;
  /** The least a month costs, before tax; fee and usage count towards it. */
  readonly minimumSpend?: string;
}

/** A quantity included each month, used by its meters in the order they are listed. */
export interface AllowanceRow extends Dated {
  readonly name: string;
  readonly meters: readonly string[];
  /** By plan, in the billing unit of the meters. A plan that is not named includes nothing. */
  readonly included: Readonly<Record<string, string>>;
}

export interface RateRow extends Dated {
  readonly meter: string;
  /** Billing units the price is for; 1 by default. */
  readonly per?: string;
  /** For every plan that `plans` does not name. */
  readonly price?: PriceDocument;
  readonly plans?: Readonly<Record<string, PriceDocument>>;
}

/** What a rented phone number costs per month. */
export interface PhoneNumberRow extends Dated {
  readonly kind: 'usLocal' | 'usTollFree';
  readonly plans: Readonly<Record<string, string>>;
  /** By plan, how many cost nothing. A plan that is not named includes none. */
  readonly included?: Readonly<Record<string, number>>;
}

export interface ModelRow extends Dated {
  readonly model: string;
  readonly price: PriceDocument;
  readonly plans?: Readonly<Record<string, PriceDocument>>;
}

export interface LlmPrices {
  readonly input: PriceDocument;
  /** Without it cached input costs as much as input. */
  readonly cachedInput?: PriceDocument;
  readonly output: PriceDocument;
}

export interface LlmRow extends Dated, LlmPrices {
  readonly model: string;
  readonly plans?: Readonly<Record<string, LlmPrices>>;
}

/**
 * A flat amount; tiers that each price their own part (`graduated`) or of which one prices all
 * (`volume`); or an amount for each package begun.
 */
export type PriceDocument =
  | string
  | { readonly graduated: readonly TierDocument[] }
  | { readonly volume: readonly TierDocument[] }
  | { readonly package: string; readonly amount: string };

/**
 * `upTo` (in billing units of what is charged, itself in the tier) is missing on the last tier
 * only.
 */
export interface TierDocument {
  readonly upTo?: string;
  readonly amount: string;
}

/**
 * A price ready to use: amount per `per` billing units, a rational that is never divided out before
 * the end.
 */
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

/** A rate row of one meter or model: what each plan pays from that day on. */
export interface DatedUnitPrice {
  readonly from: string;
  readonly rate: UnitPrice | undefined;
  readonly plans: ReadonlyMap<string, UnitPrice>;
}

/**
 * A checked catalog, made by `buildCatalog` only. Rows of one name stand in the order they begin.
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

/** The aliases that hold in a month (`YYYY-MM`): another name -> the model. */
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

/** The row in force on a day: the last that had begun. */
export function inForce<T extends { readonly from: string }>(
  rows: readonly T[] | undefined,
  day: string,
): T | undefined {
  return rows?.findLast((row) => row.from <= day);
}
