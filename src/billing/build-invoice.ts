import { TallymanError } from '../errors';
import { inForce, type Catalog } from './catalog';
import { periodOfMonth } from './days';
import { Decimal, roundMoney, sum, zero } from './decimal';
import type { Invoice, InvoiceLine, LineKind } from './invoice';
import { lateLines } from './late-lines';
import { termsOfMonth } from './month-terms';
import { lateMonthsIn, usageOfMonth, type MonthUsage, type StoredMonth } from './month-usage';
import { priceMonth, type Blocked, type MonthPrice } from './price-month';
import { moneyLine, shownUnit, writtenLine, type PricedLine } from './priced-line';
import type { Credit, PlanEntry, Profile, Tax } from './project';

export interface InvoiceInput extends StoredMonth {
  readonly project: string;
  readonly plans: readonly PlanEntry[];
  readonly profile?: Profile;
  /** The project's correction credits; those of other months are left alone. */
  readonly credits?: readonly Credit[];
  /** `carriedCreditOf` the project's last issued invoice before this month. */
  readonly carriedCredit?: string;
  readonly month: string;
  readonly periodStart: string;
  readonly periodEnd: string;
  /**
   * The earlier months as the store holds them, their own late fields included: at least every month from the earliest one
   * that `totals` has late usage of up to the one before this. A month that is missing counts as unused.
   */
  readonly history?: ReadonlyMap<string, StoredMonth>;
  readonly catalog: Catalog;
  /** The number it gets if it is issued; null for a preview. */
  readonly number: string | null;
  readonly issuedAt: string;
}

export interface InvoiceOutcome {
  /**
   * `draft`: something has no price. `nothing_due`: the total is 0, so it is a statement and no invoice; but where it moves
   * a correction credit it is issued, or nobody would know what is left of that.
   */
  readonly status: 'issued' | 'draft' | 'nothing_due';
  readonly invoice: Invoice;
  /** Meter keys (`inference.stt/<model>`) the catalog has no price for. */
  readonly unpricedModels: readonly string[];
  readonly overQuota: readonly OverQuota[];
}

/** Usage that a blocking plan should have stopped: reported, not charged. */
export interface OverQuota {
  readonly month: string;
  /** The allowance, or the meter that has none. */
  readonly name: string;
  readonly unit: string;
  readonly over: string;
}

/**
 * The invoice of one project and month: plan fees and usage of the month, late usage of earlier ones, credits and tax.
 * Pure: the same input gives the same bytes, in whatever order its maps were filled.
 * Throws UNKNOWN_PLAN, DAILY_MISMATCH (see where they arise) and LATE_FIELD for late usage of a month that is not earlier.
 */
export function buildInvoice(input: InvoiceInput): InvoiceOutcome {
  const { catalog, month } = input;
  const segments = termsOfMonth(catalog, input.plans, month);
  const own = priceMonth(catalog, segments, usageOfMonth(month, new Map([[month, input]])));
  const late = lateMonthsOf(input).map((origin) => latePartOf(input, origin));

  const charges = [
    ...own.lines.map((line) => ({ line })),
    ...late.flatMap(({ origin, lines }) => lines.map((line) => ({ line, origin }))),
    ...taxLine(input, month, [], own.lines),
    ...late.flatMap(({ origin, before, after }) => taxLine(input, origin, before.lines, after.lines)),
  ].filter(({ line }) => !isEmpty(line));
  const due = sum(charges.map(({ line }) => line.amount ?? zero));
  const credits = creditLines(input, due);
  const lines = inOrder([...charges, ...credits]);

  const unpriced = [own, ...late.map(({ after }) => after)].flatMap((price) => price.unpriced);
  const total = sumOf(lines, ['plan', 'usage', 'late', 'credit', 'tax']);
  const nothingDue = total.isZero() && credits.length === 0;
  const status = unpriced.length > 0 ? 'draft' : nothingDue ? 'nothing_due' : 'issued';
  const money = (amount: Decimal): string => amount.toFixed(catalog.minorDigits);
  return {
    status,
    invoice: {
      id: `${input.project}-${month}`,
      number: status === 'issued' ? input.number : null,
      project: input.project,
      plan: segments.at(-1)!.plan,
      month,
      currency: catalog.currency,
      issuedAt: input.issuedAt,
      periodStart: input.periodStart,
      periodEnd: input.periodEnd,
      lines: lines.map(({ line, origin }): InvoiceLine =>
        writtenLine(line, catalog.currency, catalog.minorDigits, origin),
      ),
      subtotal: money(sumOf(lines, ['plan', 'usage', 'late'])),
      credits: money(sumOf(lines, ['credit'])),
      tax: money(sumOf(lines, ['tax'])),
      total: money(total),
    },
    unpricedModels: [...new Set(unpriced)],
    overQuota: [
      ...overQuota(month, [], own.blocked),
      ...late.flatMap(({ origin, before, after }) => overQuota(origin, before.blocked, after.blocked)),
    ],
  };
}

/** `origin`: the earlier month a line is about. */
interface Entry {
  readonly line: PricedLine;
  readonly origin?: string;
}

function lateMonthsOf({ month, totals, project }: InvoiceInput): string[] {
  const origins = lateMonthsIn(totals);
  const notEarlier = origins.find((origin) => origin >= month);
  if (notEarlier !== undefined) {
    throw new TallymanError('LATE_FIELD', `The totals of ${month} hold late usage of ${notEarlier}.`, {
      project,
      month,
      origin: notEarlier,
    });
  }
  return origins;
}

interface LatePart {
  readonly origin: string;
  readonly before: MonthPrice;
  readonly after: MonthPrice;
  readonly lines: readonly PricedLine[];
}

/**
 * Late usage costs what it would have cost in time: the price of its month with it, less the price without it, line by
 * line. Differences of rounded amounts add up, so what a project pays does not depend on when its usage arrived.
 */
function latePartOf(input: InvoiceInput, origin: string): LatePart {
  const segments = termsOfMonth(input.catalog, input.plans, origin);
  const earlier = new Map([...(input.history ?? [])].filter(([month]) => month < input.month));
  const price = (usage: MonthUsage): MonthPrice => priceMonth(input.catalog, segments, usage);
  const before = price(usageOfMonth(origin, earlier));
  const after = price(usageOfMonth(origin, new Map([...earlier, [input.month, input]])));
  return { origin, before, after, lines: lateLines(origin, before.lines, after.lines) };
}

/** The tax of a month is the rounded tax of all it costs; on late usage, what that adds to it. */
function taxLine(
  input: InvoiceInput,
  taxed: string,
  before: readonly PricedLine[],
  after: readonly PricedLine[],
): Entry[] {
  const tax = inForce(taxesByDay(input.profile), periodOfMonth(taxed).to);
  if (tax === undefined) return [];
  const rate = new Decimal(tax.rate);
  const netOf = (lines: readonly PricedLine[]): Decimal => sum(lines.map((line) => line.amount ?? zero));
  const taxOf = (lines: readonly PricedLine[]): Decimal =>
    roundMoney(netOf(lines).times(rate), input.catalog.minorDigits);
  const isLate = taxed !== input.month;
  const description = `${tax.name} ${rate.times(100).toFixed()} %${isLate ? ` on late usage of ${taxed}` : ''}`;
  const line: PricedLine = {
    ...moneyLine(
      { id: `${taxed} tax`, kind: 'tax', description },
      input.catalog.currency,
      netOf(after).minus(netOf(before)),
      1,
    ),
    unitPrice: rate,
    amount: taxOf(after).minus(taxOf(before)),
  };
  return [isLate ? { line, origin: taxed } : { line }];
}

function taxesByDay(profile: Profile | undefined): Tax[] {
  return (profile?.taxes ?? []).toSorted((a, b) => (a.from < b.from ? -1 : 1));
}

/**
 * Correction credits, after tax. An invoice never falls below 0: what is left over, and what a correction of an earlier
 * month gives back beyond this month's charges, is carried to the next invoice.
 */
function creditLines(input: InvoiceInput, due: Decimal): Entry[] {
  const { currency } = input.catalog;
  const granted = [
    { description: 'Credit carried from earlier invoices', amount: new Decimal(input.carriedCredit ?? 0) },
    ...(input.credits ?? [])
      .filter((credit) => credit.month === input.month)
      .map(({ description, amount }) => ({ description, amount: new Decimal(amount) })),
  ].filter(({ amount }) => !amount.isZero());
  const lines = granted.map(({ description, amount }, index) =>
    moneyLine({ id: `credit ${index}`, kind: 'credit', description }, currency, amount, -1),
  );
  const carried = Decimal.max(0, sum(granted.map(({ amount }) => amount)).minus(due));
  if (!carried.isZero()) {
    const description = 'Credit carried to the next invoice';
    lines.push(moneyLine({ id: 'carried', kind: 'credit', description }, currency, carried, 1));
  }
  return lines.map((line) => ({ line }));
}

/** What an invoice carries to the next: its credit line above 0. (Of late usage's credit lines each names its period.) */
export function carriedCreditOf(invoice: Pick<Invoice, 'lines'>): string {
  const line = invoice.lines.find(
    ({ kind, period, amount }) => kind === 'credit' && period === undefined && !amount!.startsWith('-'),
  );
  return line?.amount ?? '0';
}

const kindOrder: readonly LineKind[] = ['plan', 'usage', 'late', 'credit', 'tax'];

function inOrder(entries: readonly Entry[]): Entry[] {
  return entries.toSorted((a, b) => kindOrder.indexOf(a.line.kind) - kindOrder.indexOf(b.line.kind));
}

function sumOf(entries: readonly Entry[], kinds: readonly LineKind[]): Decimal {
  return sum(entries.filter(({ line }) => kinds.includes(line.kind)).map(({ line }) => line.amount ?? zero));
}

/** Says nothing: a difference of nothing, a credit that was not touched. */
function isEmpty(line: PricedLine): boolean {
  return (
    line.quantity.isZero() &&
    line.billable.isZero() &&
    line.included.isZero() &&
    (line.amount?.isZero() ?? false)
  );
}

function overQuota(month: string, before: readonly Blocked[], after: readonly Blocked[]): OverQuota[] {
  const names = [...new Set(after.map(({ name }) => name))];
  const overOf = (blocked: readonly Blocked[], name: string): Decimal =>
    sum(blocked.filter((one) => one.name === name).map(({ over }) => over));
  return names.flatMap((name) => {
    const over = overOf(after, name).minus(overOf(before, name));
    if (over.isZero()) return [];
    const unit = shownUnit(after.find((one) => one.name === name)!.unit, [over]);
    return [{ month, name, unit: unit.name, over: over.div(unit.size).toFixed() }];
  });
}
