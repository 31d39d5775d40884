import { TallymanError } from '../../lib/errors';
import type { Catalog } from '../catalog/catalog';
import { zero } from '../pricing/decimal';
import { termsOfMonth } from '../pricing/prices-by-day';
import { lateMonthsIn, usageOfMonth, type StoredMonth } from '../pricing/month-usage';
import { priceMonth } from '../pricing/price-month';
import type { Priced } from '../pricing/price-usage';
import type { PlanEntry, Profile } from '../project/project';
import type { Invoice, InvoiceLine } from './invoice';
import { changesNothing, writtenLine, type PricedLine } from './priced-line';
import { taxLine } from './tax-line';

export interface LateUsageInput extends StoredMonth {
  readonly project: string;
  readonly plans: readonly PlanEntry[];
  readonly profile?: Profile;
  /** The month in which the usage arrived. */
  readonly month: string;
  /**
   * The stored totals of earlier months, including their own late fields. Every month from the
   * earliest of `lateMonthsIn` up to the one before `month` must be present, because a missing
   * month counts as unused.
   */
  readonly history?: ReadonlyMap<string, StoredMonth>;
  readonly catalog: Catalog;
}

/**
 * @throws TallymanError `LATE_FIELD` if the totals contain late usage of a month that is not an
 *   earlier one
 */
export function lateMonthsOf({ month, totals, daily, project }: LateUsageInput): string[] {
  const origins = lateMonthsIn(month, { totals, ...(daily && { daily }) });
  const origin = origins.find((one) => one >= month);
  if (origin === undefined) return origins;
  throw new TallymanError('LATE_FIELD', `The totals of ${month} contain late usage of ${origin}.`, {
    project,
    month,
    origin,
  });
}

/** A month with late usage, priced without it and with it. */
export interface LatePart {
  readonly origin: string;
  readonly before: Priced;
  readonly after: Priced;
}

/**
 * Late usage costs what it would have cost in time: the price of its month with it, minus the price
 * without it, line by line. Differences of rounded amounts add up, so what a project pays does not
 * depend on when its usage arrived.
 */
export function latePartOf(input: LateUsageInput, origin: string): LatePart {
  const pricingPeriods = termsOfMonth(input.catalog, input.plans, origin);
  const earlier = [...(input.history ?? [])].filter(([month]) => month < input.month);
  const priceOf = (stored: Iterable<[string, StoredMonth]>): Priced =>
    priceMonth(
      input.catalog,
      pricingPeriods,
      usageOfMonth(origin, new Map(stored)),
      input.profile?.phoneNumbers,
    );
  return { origin, before: priceOf(earlier), after: priceOf([...earlier, [input.month, input]]) };
}

export function lateChargesOf(
  { catalog, profile }: LateUsageInput,
  { origin, before, after }: LatePart,
): PricedLine[] {
  return [
    ...lateLines(origin, before.lines, after.lines),
    ...taxLine(catalog, profile, origin, before.lines, after.lines),
  ].filter((line) => !changesNothing(line));
}

/**
 * The changes that late usage makes to the lines of its month, without lines that stay the same. If
 * a price depends on the quantity, the line has the price that is now reached.
 */
function lateLines(
  origin: string,
  before: readonly PricedLine[],
  after: readonly PricedLine[],
): PricedLine[] {
  const earlier = new Map(before.map((line) => [line.id, line]));
  const later = new Set(after.map(({ id }) => id));
  // If all usage of a meter was taken back, its line is gone, and what it charged is given back.
  const gone = before.filter(({ id }) => !later.has(id));
  return [
    ...after.map((line) => differenceOf(origin, earlier.get(line.id), line)),
    ...gone.map((line) => differenceOf(origin, line, nothingOf(line))),
  ].filter(
    ({ quantity, included, amount }) =>
      !(quantity.isZero() && included.isZero() && (amount ?? zero).isZero()),
  );
}

function nothingOf(line: PricedLine): PricedLine {
  return {
    ...line,
    quantity: zero,
    included: zero,
    billable: zero,
    amount: line.amount === null ? null : zero,
  };
}

function differenceOf(origin: string, was: PricedLine | undefined, line: PricedLine): PricedLine {
  const amount = amountBetween(was, line);
  return {
    ...line,
    kind: line.kind === 'credit' ? 'credit' : 'late',
    period: line.period ?? origin,
    description: `Late usage of ${origin}: ${line.description}`,
    quantity: line.quantity.minus(was?.quantity ?? zero),
    included: line.included.minus(was?.included ?? zero),
    billable: line.billable.minus(was?.billable ?? zero),
    unitPrice: amount === null ? null : line.unitPrice,
    amount,
  };
}

/**
 * If one side is unknown, so is the difference: taking back usage that has no price is not worth 0.
 */
function amountBetween(was: PricedLine | undefined, line: PricedLine): PricedLine['amount'] {
  if (line.amount === null || was?.amount === null) return null;
  return line.amount.minus(was?.amount ?? zero);
}

/**
 * A line of an earlier month's invoice that the catalog prices differently now, as text; undefined
 * if there is none. Late usage costs the difference between two prices of its month, so it would be
 * priced wrongly. Prices of meters that the invoice does not have are in no document.
 *
 * @param origin the earlier month
 * @param issued its invoice
 */
export function repricedLine(
  { catalog, plans, profile, history }: LateUsageInput,
  origin: string,
  issued: Pick<Invoice, 'number' | 'lines'>,
): string | undefined {
  const stored = history?.get(origin);
  if (stored === undefined) return undefined;
  const usage = usageOfMonth(origin, new Map([[origin, stored]]));
  const { lines } = priceMonth(catalog, termsOfMonth(catalog, plans, origin), usage, profile?.phoneNumbers);
  const now = lines
    .filter((line) => !changesNothing(line))
    .map((line) => writtenLine(line, catalog.currency, catalog.minorDigits));
  const then = issued.lines.filter(({ kind }) => kind !== 'late' && kind !== 'tax');
  const added = without(now, then)[0];
  // The invoice may also have a goodwill that was used up in it.
  const gone = without(then, now).find(
    (line) => line.kind !== 'credit' && (added === undefined || placeOf(line) === placeOf(added)),
  );
  if (added === undefined && gone === undefined) return undefined;
  return (
    `Invoice ${issued.number} of ${origin} has ${gone ? priceTextOf(gone) : 'no such line'}, ` +
    `and the catalog gives ${added ? priceTextOf(added) : 'no such line'} now.`
  );
}

function without(lines: readonly InvoiceLine[], others: readonly InvoiceLine[]): InvoiceLine[] {
  const known = new Set(others.map(contentOf));
  return lines.filter((line) => !known.has(contentOf(line)));
}

/** Without the description: a plan or a meter may have another name now. */
const contentOf = ({ description: _, ...line }: InvoiceLine): string =>
  JSON.stringify(Object.entries(line).sort(([a], [b]) => (a < b ? -1 : 1)));

const placeOf = ({ kind, meter, model, period }: InvoiceLine): string =>
  [kind, meter, model, period].join('/');

const priceTextOf = ({ description, billable, unit, unitPrice, per, amount }: InvoiceLine): string =>
  `"${description}": ${billable} ${unit} at ${unitPrice} per ${per}, which is ${amount}`;
