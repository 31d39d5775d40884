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
import { termsOfMonth } from '../pricing/prices-by-day';
import { usageOfMonth } from '../pricing/month-usage';
import { priceMonth } from '../pricing/price-month';
import type { Blocked, Priced } from '../pricing/price-usage';
import { amountOf, changesNothing, shownUnit, writtenLine, type PricedLine } from './priced-line';
import type { Credit, Profile } from '../project/project';
import { taxLine } from './tax-line';

export interface InvoiceInput extends LateUsageInput {
  readonly seller?: Seller;
  /** All credits of the project. `creditsAtHand` decides which of them the invoice uses. */
  readonly credits?: readonly Credit[];
  /** The project's earlier invoices, in the order of their numbers. Only credits depend on them. */
  readonly issued?: readonly IssuedInvoice[];
  readonly periodStart: string;
  readonly periodEnd: string;
  /** The number of the invoice if it is issued; null for a preview. */
  readonly number: string | null;
  /** The number of the credit note if one is issued. */
  readonly creditNoteNumber?: string | null;
  /**
   * An earlier run of the close has issued the month's credit note, which settled the late usage,
   * whatever its price would be now.
   */
  readonly hasCreditNote?: boolean;
  readonly issuedAt: string;
}

export interface InvoiceOutcome {
  /**
   * `draft`: `problems` gives the reasons, and the invoice contains what could be priced.
   * `nothing_due`: the total before correction credits is 0, so this is a statement instead of an
   * invoice and uses no credit.
   */
  readonly status: 'issued' | 'draft' | 'nothing_due';
  readonly invoice: Invoice;
  /**
   * Contains all late usage of the month if this gives back more than there is to pay. The invoice
   * then contains none of it. It is issued unless the invoice is a draft.
   */
  readonly creditNote?: Invoice;
  /** Empty unless this is a draft. */
  readonly problems: readonly InvoiceProblem[];
  /** Meter keys such as `inference.stt/<model>` for which the catalog has no price. */
  readonly unpricedModels: readonly string[];
  readonly overQuota: readonly OverQuota[];
}

/** Usage that a blocking plan should have stopped. It is reported and not charged. */
export interface OverQuota {
  readonly month: string;
  /** The allowance, or a meter that has none. */
  readonly name: string;
  readonly unit: string;
  readonly over: string;
}

/**
 * Builds the invoice of one project and month: plan fees and usage of the month, late usage of
 * earlier months, credits and tax. If late usage gives back more than the rest amounts to, all of
 * it goes onto a credit note.
 *
 * This is pure: the same input gives the same bytes, in whatever order its maps were filled. It
 * never throws: what cannot be priced makes a draft, whose problems give the reason.
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

  // What a credit note has settled does not need a price any more.
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

/** The project's document was checked when it was saved, but against the catalog of that time. */
function documentProblems(input: InvoiceInput): InvoiceProblem[] {
  const { catalog, profile, credits = [], issued = [], month } = input;
  // Carried credit and late usage are amounts in the currency of the earlier invoices.
  const currencies = [
    ['The profile', profile?.currency],
    ['The last invoice', issued.at(-1)?.currency],
  ] as const;
  const wrongCurrency = currencies.find(([, one]) => one !== undefined && one !== catalog.currency);
  const badCredit = credits.find(
    (credit) => credit.month <= month && !hasDigitsOf(credit.amount, catalog.minorDigits),
  );
  return [
    ...(wrongCurrency === undefined
      ? []
      : [
          problemOfError(
            input,
            new TallymanError(
              'CURRENCY_MISMATCH',
              `${wrongCurrency[0]} is in ${wrongCurrency[1]}, and the catalog is in ${catalog.currency}.`,
            ),
          ),
        ]),
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

/** The plan on the last day of the month, even if the catalog does not have it on that day. */
export function planOf({ catalog, month, plans }: Pick<InvoiceInput, 'catalog' | 'month' | 'plans'>): string {
  const sorted = plans.toSorted((a, b) => (a.from < b.from ? -1 : 1));
  return inForce(sorted, periodOfMonth(month).to)?.plan ?? catalog.defaultPlan;
}

/**
 * What lacks a price, in the month itself and in months with late usage. Without a price, the
 * difference that late usage makes is unknown.
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
 * Whether late usage gives back all there is to pay, or more. If it were set against the invoice,
 * no invoice would be left to show it on, or one below 0.
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
 * The profile's name and address. Tax rates and phone numbers appear as lines, and the budget is
 * not meant for the recipient.
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
