import { parseCopy } from '../../lib/document';
import {
  buildInvoice,
  type InvoiceInput,
  type InvoiceOutcome,
  type OverQuota,
} from '../../billing/invoice/build-invoice';
import { creditBalance } from '../../billing/invoice/credits';
import { forecastUsage } from '../../billing/invoice/forecast';
import type { Invoice } from '../../billing/invoice/invoice';
import { creditNoteEntry } from '../../billing/invoice/invoice-id';
import { needsDays, termsOfMonth, type PricingPeriod } from '../../billing/pricing/prices-by-day';
import { usageOfMonth } from '../../billing/pricing/month-usage';
import { quotaUsage, type QuotaUsage } from '../../billing/quota/quota-usage';
import { TallymanError } from '../../lib/errors';
import { readInvoiceInput } from '../../close/invoice-inputs';
import { readCloses } from '../../redis/views/closes';
import { readInvoice } from '../../redis/views/invoices';
import { readProject } from '../../redis/views/projects';
import { placeProjects, readTotals } from '../../redis/usage/read-usage';
import { readWhole } from '../../redis/rebuilding';
import { readUsage } from '../../redis/usage/read-shard';
import type { WebDependencies } from '../http/dependencies';

export type MonthStatus = 'open' | 'issued' | 'draft' | 'nothing_due';

/** A project's month as the page and the API show it. */
export interface MonthView {
  readonly project: string;
  readonly month: string;
  readonly status: MonthStatus;
  readonly input: InvoiceInput;
  /**
   * One, or several if the plan changed within the month. The last one is in force at its end. None
   * if the catalog lacks the plan.
   */
  readonly pricingPeriods: readonly PricingPeriod[];
  readonly quotas: readonly QuotaUsage[];
  /** The issued invoice, or the one that would be issued now. */
  readonly invoice: Invoice;
  /**
   * The project's correction credits: what is left after the month's invoice, and what it takes of
   * them if it is not issued yet; undefined if there are none.
   */
  readonly credit: { readonly left: string; readonly applied: string | undefined } | undefined;
  /** The same of the month's credit note. */
  readonly creditNote: Invoice | undefined;
  /** The invoice at the current pace; undefined for a month that is over or has only just begun. */
  readonly forecast: Invoice | undefined;
  readonly unpriced: readonly string[];
  /** Something cannot be priced for another reason, and is not included in the cost. */
  readonly isIncomplete: boolean;
  readonly overQuota: readonly OverQuota[];
}

/** The forecast begins when this much of the month is over. Earlier it would be a guess. */
const FORECAST_AFTER_MS = 60 * 60_000;

export function readMonthView(web: WebDependencies, project: string, month: string): Promise<MonthView> {
  return readWhole(web.store, () => readMonthViewOf(web, project, month));
}

async function readMonthViewOf(
  { store, calendar, catalog, nowMs }: WebDependencies,
  project: string,
  month: string,
): Promise<MonthView> {
  const now = nowMs();
  const terms = { store, calendar, catalog, month, issuedAt: new Date(now).toISOString() };
  const [input, issuedJson, creditNoteJson, closes] = await Promise.all([
    readInvoiceInput(terms, project, null),
    readInvoice(store, project, month),
    readInvoice(store, project, creditNoteEntry(month)),
    readCloses(store),
  ]);
  const outcome = buildInvoice(input);
  const parsed = (json: string | undefined): Invoice | undefined =>
    json === undefined ? undefined : parseCopy('invoice.v1.json', json, 'an invoice');
  const issued = parsed(issuedJson);
  const pricingPeriods = pricingPeriodsOf(input);
  const usage = usageOfMonth(month, new Map([[month, input]]));
  // An invoice that is due and not issued yet is just being issued.
  const closedAs = outcome.status === 'issued' ? 'open' : outcome.status;
  return {
    project,
    month,
    status: issued !== undefined ? 'issued' : closes.has(month) ? closedAs : 'open',
    input,
    pricingPeriods,
    quotas: pricingPeriods.flatMap((pricingPeriod) =>
      quotaUsage(catalog, pricingPeriod, usage, pricingPeriods.length === 1),
    ),
    invoice: issued ?? outcome.invoice,
    credit: creditOf(input, issued, outcome),
    creditNote: parsed(creditNoteJson) ?? (issued === undefined ? outcome.creditNote : undefined),
    forecast:
      issued === undefined
        ? forecastOf(input, calendar.monthStart(month), calendar.monthEnd(month), now)
        : undefined,
    unpriced: outcome.unpricedModels,
    isIncomplete: outcome.problems.some(({ code }) => code !== 'NO_PRICE'),
    overQuota: outcome.overQuota,
  };
}

/** The cost is incomplete then, and says so; the rest of the page can be shown. */
function pricingPeriodsOf({ catalog, plans, month }: InvoiceInput): readonly PricingPeriod[] {
  try {
    return termsOfMonth(catalog, plans, month);
  } catch (error) {
    if (error instanceof TallymanError && error.code === 'UNKNOWN_PLAN') return [];
    throw error;
  }
}

function creditOf(
  { month, catalog, credits = [], issued = [] }: InvoiceInput,
  own: Invoice | undefined,
  { status, invoice }: InvoiceOutcome,
): MonthView['credit'] {
  const digits = catalog.minorDigits;
  if (own !== undefined) {
    const left = creditBalance(month, credits, [...issued, own]);
    return left.isZero() ? undefined : { left: left.toFixed(digits), applied: undefined };
  }
  const before = creditBalance(month, credits, issued);
  if (before.isZero()) return undefined;
  const left = status === 'nothing_due' ? before : creditBalance(month, credits, [...issued, invoice]);
  return { left: left.toFixed(digits), applied: before.minus(left).toFixed(digits) };
}

function forecastOf(input: InvoiceInput, startMs: number, endMs: number, nowMs: number): Invoice | undefined {
  const elapsedMs = nowMs - startMs;
  if (elapsedMs < FORECAST_AFTER_MS || nowMs >= endMs) return undefined;
  const forecast = forecastUsage(input.month, input, elapsedMs, endMs - startMs);
  return buildInvoice({ ...input, ...forecast }).invoice;
}

/**
 * A project's quotas now. Programs ask for it before each new session, so it reads as little as
 * possible.
 */
export function readQuotas(web: WebDependencies, project: string): Promise<MonthQuotas> {
  return readWhole(web.store, () => readQuotasOf(web, project));
}

export interface MonthQuotas {
  readonly month: string;
  readonly quotas: QuotaUsage[];
}

async function readQuotasOf(
  { store, calendar, catalog, nowMs }: WebDependencies,
  project: string,
): Promise<MonthQuotas> {
  const { day, month } = calendar.dayOf({ seconds: Math.floor(nowMs() / 1000), nanos: 0 });
  const [document, totals] = await Promise.all([
    readProject(store, project),
    readTotals(store, project, month),
  ]);
  const plans = document?.plans ?? [];
  const pricingPeriods = termsOfMonth(catalog, plans, month);
  const pricingPeriod = pricingPeriods.findLast(({ period }) => period.from <= day)!;
  let usage = usageOfMonth(month, new Map([[month, { totals }]]));
  if (needsDays(catalog, plans, month, usage.totals.keys())) {
    const [placed] = await placeProjects(store, month, [project]);
    const [stored] = await readUsage(store, month, [placed!]);
    usage = usageOfMonth(month, new Map([[month, stored!]]));
  }
  return { month, quotas: quotaUsage(catalog, pricingPeriod, usage, pricingPeriods.length === 1) };
}
