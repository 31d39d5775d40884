import type { AtQuota, PhoneNumberRow, PriceDocument } from '../catalog/catalog';

/** The document of a project in `billing.projects` (`schemas/project.v1.json`). */
export interface ProjectDocument {
  readonly project: string;
  readonly plans: readonly PlanEntry[];
  readonly profile?: Profile;
  readonly credits?: readonly Credit[];
}

/**
 * A plan from the start of a day in the billing zone, with what was agreed for this project alone.
 */
export interface PlanEntry {
  readonly plan: string;
  readonly from: string;
  readonly overrides?: Overrides;
}

/** Each field replaces the one of the catalog. A missing field stays as the plan has it. */
export interface Overrides {
  readonly fee?: string;
  readonly atQuota?: AtQuota;
  readonly inferenceCredits?: string;
  readonly minimumSpend?: string;
  /** `meters` is needed only if the catalog has no allowance of that name, or to regroup it. */
  readonly allowances?: readonly {
    readonly name: string;
    readonly meters?: readonly string[];
    readonly included: string;
  }[];
  /**
   * For an inference meter without `model`: the rate of all its models that have no override of
   * their own.
   */
  readonly rates?: readonly {
    readonly meter: string;
    readonly model?: string;
    /**
     * The number of billing units that the price is for. It has no default, because a price per
     * minute must not be charged per second.
     */
    readonly per: string;
    readonly price: PriceDocument;
  }[];
  /** A monthly price per rented number, and how many are free. */
  readonly phoneNumbers?: readonly {
    readonly kind: PhoneNumberRow['kind'];
    readonly price?: string;
    readonly included?: number;
  }[];
}

/** Who the invoice is addressed to. */
export interface Profile {
  readonly name?: string;
  readonly email?: string;
  readonly address?: readonly string[];
  readonly taxId?: string;
  /** Must be the currency of the catalog, since all invoices are in it. */
  readonly currency?: string;
  /** What the project intends to spend per month at most. It stops nothing. */
  readonly budget?: string;
  /** How many phone numbers it rents. Each row applies from the start of its day. */
  readonly phoneNumbers?: readonly PhoneNumbers[];
  /**
   * The row in force on the last day of a month gives the tax of that month, including its late
   * usage.
   */
  readonly taxes?: readonly Tax[];
}

export interface PhoneNumbers {
  readonly from: string;
  readonly usLocal?: number;
  readonly usTollFree?: number;
}

export interface Tax {
  readonly from: string;
  /** Such as `VAT`. */
  readonly name: string;
  /** A fraction: `0.21` is 21 %. */
  readonly rate: string;
}

/** A correction in the customer's favour, which is set against the invoice of `month` after tax. */
export interface Credit {
  readonly month: string;
  readonly description: string;
  readonly amount: string;
}
