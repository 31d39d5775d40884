import { buildInvoice, type InvoiceInput } from '../invoice/build-invoice';
import { Decimal } from '../pricing/decimal';
import { termsOfMonth } from '../pricing/prices-by-day';
import { usageOfMonth } from '../pricing/month-usage';
import { budgetUse } from './budget-use';
import { quotaUsage } from './quota-usage';

/** The percentages of a limit at which an alert is sent. */
export const ALERT_PERCENTS = [80, 100] as const;

/**
 * An alert that a project is near its limit or has reached it (`schemas/alert.v1.json`, without the
 * fields that the sender adds).
 */
export interface DueAlert {
  readonly id: string;
  readonly project: string;
  readonly month: string;
  readonly plan: string;
  readonly kind: 'included' | 'credits' | 'budget';
  readonly name: string;
  /** The days of the limit if the month is split. */
  readonly period?: string;
  readonly percent: (typeof ALERT_PERCENTS)[number];
  /** Decimal strings in `unit`. */
  readonly used: string;
  readonly limit: string;
  readonly unit: string;
}

type Limit = Omit<DueAlert, 'id' | 'percent'>;

/**
 * Every alert that a month's usage so far calls for, whether or not it was sent before. The same
 * usage always gives the same ids.
 *
 * A budget is compared with the current invoice, including plan fee, credits and tax.
 */
export function alertsDue(input: InvoiceInput): DueAlert[] {
  return [...includedLimits(input), ...budgetLimit(input)].flatMap((limit) =>
    ALERT_PERCENTS.filter((percent) =>
      new Decimal(limit.used).times(100).gte(new Decimal(limit.limit).times(percent)),
    ).map((percent): DueAlert => ({ id: idOf(limit, percent), ...limit, percent })),
  );
}

function includedLimits(input: InvoiceInput): Limit[] {
  const { catalog, project, month, plans } = input;
  const usage = usageOfMonth(month, new Map([[month, input]]));
  const pricingPeriods = termsOfMonth(catalog, plans, month);
  return pricingPeriods.flatMap((pricingPeriod) =>
    quotaUsage(catalog, pricingPeriod, usage, pricingPeriods.length === 1)
      .filter(({ included }) => !new Decimal(included).isZero())
      .map(({ name, meters, period, used, included, unit }): Limit => ({
        project,
        month,
        plan: pricingPeriod.plan,
        kind: meters.length === 0 ? 'credits' : 'included',
        name,
        ...(period !== undefined && { period }),
        used,
        limit: included,
        unit,
      })),
  );
}

function budgetLimit(input: InvoiceInput): Limit[] {
  const { project, month, catalog } = input;
  const { invoice } = buildInvoice(input);
  const use = budgetUse(input, invoice);
  if (use === undefined) return [];
  return [
    {
      ...{ project, month, plan: invoice.plan, kind: 'budget', name: 'Budget' },
      ...{ used: use.used, limit: use.budget, unit: catalog.currency },
    },
  ];
}

function idOf({ project, month, kind, name, period }: Limit, percent: number): string {
  return [project, month, kind, name, ...(period === undefined ? [] : [period]), percent].join('/');
}
