import type { InvoiceInput } from '../invoice/build-invoice';
import type { Invoice } from '../invoice/invoice';
import { Decimal } from '../pricing/decimal';

/** How much of a project's budget a month has used. Amounts are decimal strings. */
export interface BudgetUse {
  readonly budget: string;
  readonly used: string;
  /** Below 0 if the month is over its budget. */
  readonly remaining: string;
}

/**
 * Compares the budget with the current invoice, including plan fee, credits and tax. Undefined if
 * there is no budget; a budget of 0 is none.
 */
export function budgetUse(
  { profile, catalog }: Pick<InvoiceInput, 'profile' | 'catalog'>,
  invoice: Invoice,
): BudgetUse | undefined {
  if (profile?.budget === undefined || new Decimal(profile.budget).isZero()) return undefined;
  const money = (amount: string | Decimal): string => new Decimal(amount).toFixed(catalog.minorDigits);
  return {
    budget: money(profile.budget),
    used: invoice.total,
    remaining: money(new Decimal(profile.budget).minus(invoice.total)),
  };
}
