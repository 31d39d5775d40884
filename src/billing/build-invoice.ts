import { TallymanError } from '../errors';
import type { Catalog } from './catalog';
import { creditLines } from './correction-credits';
import { sum, type Decimal } from './decimal';
import type { Corrected, Invoice, LineKind, Party, Seller } from './invoice';
import { creditNoteEntry } from './invoice-id';
import { lateLines } from './late-lines';
import { termsOfMonth } from './month-terms';
import { lateMonthsIn, usageOfMonth, type StoredMonth } from './month-usage';
import { priceMonth } from './price-month';
import type { Blocked, Priced } from './price-usage';
import { amountOf, shownUnit, writtenLine, type PricedLine } from './priced-line';
import type { Credit, PlanEntry, Profile } from './project';
import { taxLine } from './tax-line';

export interface InvoiceInput extends StoredMonth {
  readonly project: string;
  readonly plans: readonly PlanEntry[];
  readonly profile?: Profile;
  readonly seller?: Seller;
  /** The project's correction credits; those of other months are left alone. */
  readonly credits?: readonly Credit[];
  /** `carriedCreditOf` (correction-credits.ts) the project's last issued invoice before this month. */
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
  /** The same of the credit note. */
  readonly creditNoteNumber?: string | null;
  /** An earlier run of the close has issued the month's credit note: late usage is settled by it, whatever comes out now. */
  readonly hasCreditNote?: boolean;
  readonly issuedAt: string;
}

export interface InvoiceOutcome {
  /**
   * `draft`: something has no price. `nothing_due`: the total is 0, so it is a statement and no invoice; but where it moves
   * a correction credit it is issued, or nobody would know what is left of that.
   */
  readonly status: 'issued' | 'draft' | 'nothing_due';
  readonly invoice: Invoice;
  /** What gives back more than there is to pay: all late usage of the month, which then is not on the invoice. Issued unless a draft. */
  readonly creditNote?: Invoice;
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
 * Where late usage gives back more than the rest comes to, it goes onto a credit note of its own, whole.
 * Pure: the same input gives the same bytes, in whatever order its maps were filled.
 * Throws UNKNOWN_PLAN, DAILY_MISMATCH (see where they arise) and LATE_FIELD for late usage of a month that is not earlier.
 */
export function buildInvoice(input: InvoiceInput): InvoiceOutcome {
  const { catalog, month, profile } = input;
  const segments = termsOfMonth(catalog, input.plans, month);
  const own = priceMonth(catalog, segments, usageOfMonth(month, new Map([[month, input]])));
  const late = lateMonthsOf(input).map((origin) => latePartOf(input, origin));
  const ownCharges = [...own.lines, ...taxLine(catalog, profile, month, undefined, own.lines)].filter(
    (line) => !saysNothing(line),
  );
  const lateCharges = late.map((part) => ({ month: part.origin, lines: lateChargesOf(input, part) }));
  const lateLinesOfAll = lateCharges.flatMap(({ lines }) => lines);
  const isCredited = input.hasCreditNote === true || givesBack(ownCharges, lateLinesOfAll);
  const charges = isCredited ? ownCharges : [...ownCharges, ...lateLinesOfAll];
  const granted = (input.credits ?? []).filter((credit) => credit.month === month);
  const credits = creditLines(catalog.currency, amountOf(charges), input.carriedCredit ?? '0', granted);
  const lines = [...charges, ...credits];

  const unpriced = [own, ...late.map(({ after }) => after)].flatMap((price) => price.unpriced);
  const nothingDue = amountOf(lines).isZero() && credits.length === 0;
  const status = unpriced.length > 0 ? 'draft' : nothingDue ? 'nothing_due' : 'issued';
  const plan = segments.at(-1)!.plan;
  return {
    status,
    invoice: documentOf(input, plan, lines, { number: status === 'issued' ? input.number : null }),
    ...(isCredited && {
      creditNote: documentOf(input, plan, lateLinesOfAll, {
        number: status === 'draft' ? null : (input.creditNoteNumber ?? null),
        corrects: lateCharges.filter((part) => part.lines.length > 0).map((part) => ({ month: part.month })),
      }),
    }),
    unpricedModels: [...new Set(unpriced)],
    overQuota: [
      ...overQuota(month, [], own.blocked),
      ...late.flatMap(({ origin, before, after }) => overQuota(origin, before.blocked, after.blocked)),
    ],
  };
}

/**
 * Whether late usage gives back all there is to pay, or more: set against that it would leave no invoice to show it on, or
 * one below 0.
 */
function givesBack(own: readonly PricedLine[], late: readonly PricedLine[]): boolean {
  const back = amountOf(late);
  return back.lt(0) && back.plus(amountOf(own)).lte(0);
}

function documentOf(
  input: InvoiceInput,
  plan: string,
  lines: readonly PricedLine[],
  { number, corrects }: { number: string | null; corrects?: readonly Corrected[] },
): Invoice {
  const { project, month, catalog, seller } = input;
  const ordered = inOrder(lines);
  const sumOf = (...kinds: LineKind[]): string =>
    amountOf(ordered.filter(({ kind }) => kinds.includes(kind))).toFixed(catalog.minorDigits);
  return {
    id: `${project}-${corrects ? creditNoteEntry(month) : month}`,
    ...(corrects && { kind: 'credit_note' as const }),
    number,
    project,
    plan,
    month,
    ...(corrects && { corrects }),
    currency: catalog.currency,
    ...(seller && { seller }),
    ...buyerOf(input.profile),
    issuedAt: input.issuedAt,
    periodStart: input.periodStart,
    periodEnd: input.periodEnd,
    lines: ordered.map((line) => writtenLine(line, catalog.currency, catalog.minorDigits)),
    subtotal: sumOf('plan', 'usage', 'late'),
    credits: sumOf('credit'),
    tax: sumOf('tax'),
    total: sumOf(...kindOrder),
  };
}

/** Who the profile names: tax rates show in the tax lines, and a budget is nobody's business. */
function buyerOf(profile: Profile | undefined): { buyer?: Party } {
  const { taxes: _taxes, currency: _currency, budget: _budget, ...buyer } = profile ?? {};
  return Object.keys(buyer).length > 0 ? { buyer } : {};
}

function lateMonthsOf({ month, totals, project }: InvoiceInput): string[] {
  const origins = lateMonthsIn(totals);
  const origin = origins.find((one) => one >= month);
  if (origin === undefined) return origins;
  throw new TallymanError('LATE_FIELD', `The totals of ${month} hold late usage of ${origin}.`, {
    project,
    month,
    origin,
  });
}

/** A month with late usage: its price without that, and with it. */
interface LatePart {
  readonly origin: string;
  readonly before: Priced;
  readonly after: Priced;
}

/**
 * Late usage costs what it would have cost in time: the price of its month with it, less the price without it, line by
 * line. Differences of rounded amounts add up, so what a project pays does not depend on when its usage arrived.
 */
function latePartOf(input: InvoiceInput, origin: string): LatePart {
  const segments = termsOfMonth(input.catalog, input.plans, origin);
  const earlier = [...(input.history ?? [])].filter(([month]) => month < input.month);
  const priceOf = (stored: Iterable<[string, StoredMonth]>): Priced =>
    priceMonth(input.catalog, segments, usageOfMonth(origin, new Map(stored)));
  return { origin, before: priceOf(earlier), after: priceOf([...earlier, [input.month, input]]) };
}

function lateChargesOf(
  { catalog, profile }: InvoiceInput,
  { origin, before, after }: LatePart,
): PricedLine[] {
  return [
    ...lateLines(origin, before.lines, after.lines),
    ...taxLine(catalog, profile, origin, before.lines, after.lines),
  ].filter((line) => !saysNothing(line));
}

const kindOrder: readonly LineKind[] = ['plan', 'usage', 'late', 'credit', 'tax'];

function inOrder(lines: readonly PricedLine[]): PricedLine[] {
  return lines.toSorted((a, b) => kindOrder.indexOf(a.kind) - kindOrder.indexOf(b.kind));
}

/** A difference of nothing, or a credit that was not touched. */
function saysNothing({ quantity, included, billable, amount }: PricedLine): boolean {
  return [quantity, included, billable, amount].every((number) => number?.isZero() ?? false);
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
