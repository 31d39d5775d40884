import { TallymanError } from '../../lib/errors';
import { inForce } from '../catalog/catalog';
import { creditLines, creditsAtHand, type IssuedInvoice } from './credits';
import { hasDigitsOf } from '../pricing/currency';
import { periodOfMonth } from '../pricing/days';
import { sum, type Decimal } from '../pricing/decimal';
import type { Corrected, Invoice, LineKind, Party, Seller } from './invoice';
import { creditNoteEntry } from './invoice-id';
import { noPrice, problemOfError, type InvoiceProblem } from './invoice-problem';
import {
  lateChargesOf,
  lateMonthsOf,
  latePartOf,
  type LatePart,
  type LateUsageInput,
} from './price-late-usage';
import { termsOfMonth } from '../pricing/month-terms';
import { usageOfMonth } from '../pricing/month-usage';
import { priceMonth } from '../pricing/price-month';
import type { Blocked, Priced } from '../pricing/price-usage';
import { amountOf, changesNothing, shownUnit, writtenLine, type PricedLine } from './priced-line';
import type { Credit, Profile } from '../project/project';
import { taxLine } from './tax-line';

export interface InvoiceInput extends LateUsageInput {
  readonly seller?: Seller;
  /**
   * All that the project was granted: `creditsAtHand` (credits.ts) decides what the invoice uses.
   */
  readonly credits?: readonly Credit[];
  /**
   * The project's invoices issued before this one, in the order of their numbers. Only credits
   * depend on them.
   */
  readonly issued?: readonly IssuedInvoice[];
  readonly periodStart: string;
  readonly periodEnd: string;
  /** The number it gets if it is issued; null for a preview. */
  readonly number: string | null;
  /** The same of the credit note. */
  readonly creditNoteNumber?: string | null;
  /**
   * An earlier run of the close has issued the month's credit note: late usage is settled by it,
   * whatever comes out now.
   */
  readonly hasCreditNote?: boolean;
  readonly issuedAt: string;
}

export interface InvoiceOutcome {
  /**
   * `draft`: `problems` say why; the invoice has what could be priced all the same. `nothing_due`:
   * it comes to 0 before correction credits, so it is a statement and no invoice, and no credit is
   * used.
   */
  readonly status: 'issued' | 'draft' | 'nothing_due';
  readonly invoice: Invoice;
  /**
   * What gives back more than there is to pay: all late usage of the month, which then is not on
   * the invoice. Issued unless a draft.
   */
  readonly creditNote?: Invoice;
  /** Of a draft, and of no other. */
  readonly problems: readonly InvoiceProblem[];
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
 * The invoice of one project and month: plan fees and usage of the month, late usage of earlier
 * ones, credits and tax. Where late usage gives back more than the rest comes to, it goes onto a
 * credit note of its own, whole. Pure: the same input gives the same bytes, in whatever order its
 * maps were filled. It never throws: what cannot be priced makes a draft, with the reason among its
 * problems.
 */
export function buildInvoice(input: InvoiceInput): InvoiceOutcome {
  const { catalog, month, profile } = input;
  const problems: InvoiceProblem[] = [];
  const attempt = <T>(price: () => T): T | undefined => {
    try {
      return price();
    } catch (error) {
      problems.push(problemOfError(input, error));
      return undefined;
    }
  };
  problems.push(...(attempt(() => documentProblems(input)) ?? []));
  const own = attempt(() => ownPartOf(input)) ?? {
    plan: attempt(() => planOf(input)) ?? catalog.defaultPlan,
    price: unpriceable,
  };
  const lateMonths = attempt(() => lateMonthsOf(input)) ?? [];
  const late = lateMonths.flatMap((origin) => attempt(() => latePartOf(input, origin)) ?? []);
  const ownLines = own.price.lines;
  const ownTax = attempt(() => taxLine(catalog, profile, month, undefined, ownLines)) ?? [];
  const ownCharges = [...ownLines, ...ownTax].filter((line) => !changesNothing(line));
  const lateCharges = late.map((part) => ({
    month: part.origin,
    lines: attempt(() => lateChargesOf(input, part)) ?? [],
  }));
  const lateLinesOfAll = lateCharges.flatMap(({ lines }) => lines);
  const hasCreditNote = input.hasCreditNote === true;
  const isCredited = hasCreditNote || givesBack(ownCharges, lateLinesOfAll);
  const charges = isCredited ? ownCharges : [...ownCharges, ...lateLinesOfAll];
  const credits = attempt(() => creditsAgainst(input, amountOf(charges))) ?? [];

  // What a credit note has settled needs no price any more.
  const unpriced = unpricedIn(input, own.price, hasCreditNote ? [] : late);
  problems.push(...unpriced.map(({ key, of }) => noPrice(input, key, of)));
  const status = problems.length > 0 ? 'draft' : amountOf(charges).isZero() ? 'nothing_due' : 'issued';
  return {
    status,
    invoice: documentOf(input, own.plan, [...charges, ...credits], {
      number: status === 'issued' ? input.number : null,
    }),
    ...(isCredited && {
      creditNote: documentOf(input, own.plan, lateLinesOfAll, {
        number: status === 'draft' ? null : (input.creditNoteNumber ?? null),
        corrects: lateCharges.filter((part) => part.lines.length > 0).map((part) => ({ month: part.month })),
      }),
    }),
    problems,
    unpricedModels: [...new Set(unpriced.map(({ key }) => key))],
    overQuota: [
      ...overQuota(month, [], own.price.blocked),
      ...late.flatMap(({ origin, before, after }) => overQuota(origin, before.blocked, after.blocked)),
    ],
  };
}

function creditsAgainst(
  { catalog, month, credits = [], issued = [] }: InvoiceInput,
  due: Decimal,
): PricedLine[] {
  return due.gt(0) ? creditLines(catalog.currency, due, creditsAtHand(month, credits, issued)) : [];
}

const unpriceable: Priced = { lines: [], unpriced: [], blocked: [] };

/**
 * What is wrong with a project's document by the catalog it is billed with; checked when it was
 * set, by the catalog of then.
 */
function documentProblems(input: InvoiceInput): InvoiceProblem[] {
  const { catalog, profile, credits = [], month } = input;
  const currency = profile?.currency ?? catalog.currency;
  const wrongCurrency = new TallymanError(
    'CURRENCY_MISMATCH',
    `The profile says ${currency}, and the catalog is in ${catalog.currency}.`,
  );
  const badCredit = credits.find(
    (credit) => credit.month <= month && !hasDigitsOf(credit.amount, catalog.minorDigits),
  );
  return [
    ...(currency === catalog.currency ? [] : [problemOfError(input, wrongCurrency)]),
    ...(badCredit === undefined
      ? []
      : [
          problemOfError(
            input,
            new TallymanError(
              'BAD_AMOUNT',
              `The credit of ${badCredit.month} is ${badCredit.amount}, and ${catalog.currency} has ${catalog.minorDigits} digits.`,
            ),
          ),
        ]),
  ];
}

function ownPartOf(input: InvoiceInput): { plan: string; price: Priced } {
  const { catalog, month, plans } = input;
  const pricingPeriods = termsOfMonth(catalog, plans, month);
  const usage = usageOfMonth(month, new Map([[month, input]]));
  const price = priceMonth(catalog, pricingPeriods, usage, input.profile?.phoneNumbers);
  return { plan: pricingPeriods.at(-1)!.plan, price };
}

/** The plan on the month's last day, even where the catalog does not have it then. */
function planOf({ catalog, month, plans }: InvoiceInput): string {
  const sorted = plans.toSorted((a, b) => (a.from < b.from ? -1 : 1));
  return inForce(sorted, periodOfMonth(month).to)?.plan ?? catalog.defaultPlan;
}

/**
 * What has no price, of the month itself and of those with late usage: without it or with it, the
 * difference is unknown.
 */
function unpricedIn(
  { month }: InvoiceInput,
  own: Priced,
  late: readonly LatePart[],
): { readonly key: string; readonly of: string }[] {
  return [
    ...own.unpriced.map((key) => ({ key, of: month })),
    ...late.flatMap(({ origin, before, after }) =>
      [...new Set([...before.unpriced, ...after.unpriced])].map((key) => ({ key, of: origin })),
    ),
  ];
}

/**
 * Whether late usage gives back all there is to pay, or more: set against that it would leave no
 * invoice to show it on, or one below 0.
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

/**
 * Who the profile names: tax rates and phone numbers show in their lines, and a budget is nobody's
 * business.
 */
function buyerOf(profile: Profile | undefined): { buyer?: Party } {
  const {
    taxes: _taxes,
    currency: _currency,
    budget: _budget,
    phoneNumbers: _numbers,
    ...buyer
  } = profile ?? {};
  return Object.keys(buyer).length > 0 ? { buyer } : {};
}

const kindOrder: readonly LineKind[] = ['plan', 'usage', 'late', 'credit', 'tax'];

function inOrder(lines: readonly PricedLine[]): PricedLine[] {
  return lines.toSorted((a, b) => kindOrder.indexOf(a.kind) - kindOrder.indexOf(b.kind));
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
