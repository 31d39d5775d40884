import type { AtQuota, PriceDocument } from '../catalog/catalog';

/** What `billing.projects` holds of a project (`schemas/project.v1.json`). */
export interface ProjectDocument {
  readonly project: string;
  readonly plans: readonly PlanEntry[];
  readonly profile?: Profile;
  readonly credits?: readonly Credit[];
}

/**
 * A plan from the start of a day in the billing zone on, with what was agreed for this project
 * alone.
 */
export interface PlanEntry {
  readonly plan: string;
  readonly from: string;
  readonly overrides?: Overrides;
}

/** Each field replaces the catalog's; what is not named stays as the plan has it. */
export interface Overrides {
  readonly fee?: string;
  readonly atQuota?: AtQuota;
  readonly inferenceCredits?: string;
  readonly minimumSpend?: string;
  /** `meters` only where the catalog has no allowance of that name, or to regroup it. */
  readonly allowances?: readonly {
    readonly name: string;
    readonly meters?: readonly string[];
    readonly included: string;
  }[];
  /**
   * Of an inference meter without `model`: for all its models that have no override of their own.
   */
  readonly rates?: readonly {
    readonly meter: string;
    readonly model?: string;
    /**
     * Billing units the price is for: never guessed, or a price per minute would be charged per
     * second.
     */
    readonly per: string;
    readonly price: PriceDocument;
  }[];
}

/** Who the invoice is made out to. */
export interface Profile {
  readonly name?: string;
  readonly email?: string;
  readonly address?: readonly string[];
  readonly taxId?: string;
  /** The catalog's: invoices are written in no other. */
  readonly currency?: string;
  /** What the project means to spend a month at most; nothing is stopped by it. */
  readonly budget?: string;
  /** How many phone numbers it rents, each row from the start of its day on. */
  readonly phoneNumbers?: readonly PhoneNumbers[];
  /** The tax of a month, late usage of it too, is by the row in force on the month's last day. */
  readonly taxes?: readonly Tax[];
}

export interface PhoneNumbers {
  readonly from: string;
  readonly usLocal?: number;
  readonly usTollFree?: number;
}

export interface Tax {
  readonly from: string;
  /** E.g. `VAT`. */
  readonly name: string;
  /** A fraction: `0.21` is 21 %. */
  readonly rate: string;
}

/** A correction in the customer's favour, set against the invoice of `month` after tax. */
export interface Credit {
  readonly month: string;
  readonly description: string;
  readonly amount: string;
}
