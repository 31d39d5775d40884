import type { Freshness, InvoiceSummary, QuotaAnswer, UsageAnswer } from '../../../schemas/types';
import type { Invoice } from '../../billing/invoice/invoice';
import type { QuotaUsage } from '../../billing/quota/quota-usage';
import type { LogPosition } from '../../ingest/health/log-position';
import { ProblemError } from '../http/problems';
import type { MonthView } from '../pages/month-view';

/** The documents of the API, as `schemas/api.v1.json` describes them. */

export function usageAnswer(view: MonthView, position: LogPosition | undefined): UsageAnswer {
  const { input, invoice, creditNote, pricingPeriods, forecast } = view;
  const last = pricingPeriods.at(-1);
  if (last === undefined)
    throw new ProblemError('NOT_FOUND', `The catalog has no plan "${invoice.plan}" in ${view.month}.`);
  const daily: Record<string, Record<string, string>> = {};
  for (const [field, quantity] of sorted(input.daily ?? new Map<string, bigint>())) {
    // `YYYY-MM-DD/<meter>`: neither a day nor the beginning of a meter can be a name like
    // `__proto__`.
    const day = field.slice(0, 10);
    (daily[day] ??= {})[field.slice(11)] = quantity.toString();
  }
  return {
    project: view.project,
    month: view.month,
    status: view.status,
    plan: { id: last.plan, name: last.planName, fee: last.fee.toFixed(), beyond: last.atQuota },
    currency: invoice.currency,
    periodStart: invoice.periodStart,
    periodEnd: invoice.periodEnd,
    totals: Object.fromEntries(sorted(input.totals).map(([meter, quantity]) => [meter, quantity.toString()])),
    daily,
    included: view.quotas.map((quota) => ({ ...quota, meters: [...quota.meters] })),
    lines: invoice.lines.map((line) => ({ ...line })),
    costSoFar: invoice.total,
    creditNote: creditNote
      ? {
          number: creditNote.number,
          total: creditNote.total,
          lines: creditNote.lines.map((line) => ({ ...line })),
        }
      : null,
    forecast: forecast?.total ?? null,
    unpriced: [...view.unpriced],
    freshness: freshnessAnswer(position),
  };
}

function freshnessAnswer(position: LogPosition | undefined): Freshness {
  if (position === undefined) return { behind: null, asOf: null };
  return { behind: position.behind, asOf: new Date(position.atMs).toISOString() };
}

export function quotaAnswer(project: string, month: string, quotas: readonly QuotaUsage[]): QuotaAnswer {
  return {
    project,
    month,
    quotas: quotas.map(({ name, meters, unit, remaining, beyond }) => ({
      name,
      meters: [...meters],
      unit,
      remaining,
      beyond,
      admit: beyond !== 'block' || /[1-9]/.test(remaining),
    })),
  };
}

export function invoiceSummary(invoice: Invoice): InvoiceSummary {
  const { id, kind = 'invoice', number, month, plan, currency, issuedAt, total } = invoice;
  return { id, kind, number, month, plan, currency, issuedAt, total };
}

function sorted(quantities: ReadonlyMap<string, bigint>): [string, bigint][] {
  return [...quantities].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
}
