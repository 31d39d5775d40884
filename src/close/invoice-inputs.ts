import type { InvoiceInput } from '../billing/build-invoice';
import type { Catalog } from '../billing/catalog';
import { carriedCreditOf } from '../billing/correction-credits';
import type { Invoice, Seller } from '../billing/invoice';
import { needsDays } from '../billing/month-terms';
import { lateMonthsIn, usageOfMonth, type StoredMonth } from '../billing/month-usage';
import type { ProjectDocument } from '../billing/project';
import type { BillingCalendar } from '../rating/billing-calendar';
import { readInvoicedBefore, type InvoicedBefore } from '../totals/invoices';
import { readProjectsNamed } from '../totals/projects';
import { placeProjects, readDailyOf, readTotalsOf, type PlacedProject } from '../totals/read';
import { readTotalsAndDaily } from '../totals/read-shard';
import type { Store } from '../totals/store';

/** What an invoice is made under: one for all projects of a month. */
export interface InvoiceTerms {
  readonly store: Store;
  readonly calendar: BillingCalendar;
  readonly catalog: Catalog;
  readonly seller?: Seller | undefined;
  readonly month: string;
  readonly issuedAt: string;
}

/** A project to be invoiced. */
export interface Billable extends PlacedProject {
  readonly number: string | null;
  readonly creditNoteNumber?: string;
  readonly before: InvoicedBefore;
}

/** Gathers what one invoice depends on, all usage by day included. */
export async function readInvoiceInput(
  terms: InvoiceTerms,
  project: string,
  number: string | null,
): Promise<InvoiceInput> {
  const [[placed], [before]] = await Promise.all([
    placeProjects(terms.store, terms.month, [project]),
    readInvoicedBefore(terms.store, terms.month, [project]),
  ]);
  const billable = { ...placed!, before: before!, number };
  return (await readInvoiceInputs(terms, [billable], 'always'))[0]!;
}

/**
 * Gathers what the invoices of several projects depend on, in their order; each step for all of them together.
 *
 * @param days usage by day is three times as much as totals, and priced by few plans: a close, whose months stand still,
 *   reads it `where needed`. In a month that goes on, only `always` has days that add up to the totals.
 */
export async function readInvoiceInputs(
  terms: InvoiceTerms,
  billables: readonly Billable[],
  days: 'always' | 'where needed',
): Promise<InvoiceInput[]> {
  const { store, catalog, month } = terms;
  const readings = billables.map((billable): Reading => ({ billable, placed: new Map(), months: new Map() }));
  const documentsRead = readProjectsNamed(
    store,
    billables.map(({ project }) => project),
  );
  for (const reading of readings) reading.placed.set(month, reading.billable);
  await readMonthInto(readings, month, store, days);
  for (const [earlier, late] of historiesOf(terms, readings)) {
    const names = late.map(({ billable }) => billable.project);
    const placed = await placeProjects(store, earlier, names);
    late.forEach((reading, i) => reading.placed.set(earlier, placed[i]!));
    await readMonthInto(late, earlier, store, days);
  }
  const documents = await documentsRead;
  const byDay = readings.filter(
    (reading, i) => days === 'where needed' && isPricedByDay(catalog, documents[i]?.plans ?? [], reading),
  );
  for (const of of new Set(byDay.flatMap(({ months }) => [...months.keys()]))) {
    const held = byDay.filter(({ months }) => months.has(of));
    const daily = await readDailyOf(
      store,
      of,
      held.map(({ placed }) => placed.get(of)!),
    );
    held.forEach(({ months }, i) => months.set(of, { totals: months.get(of)!.totals, daily: daily[i]! }));
  }
  return readings.map((reading, i) => inputOf(terms, reading, documents[i]));
}

/** What was read of a project so far, by month. */
interface Reading {
  readonly billable: Billable;
  readonly placed: Map<string, PlacedProject>;
  readonly months: Map<string, StoredMonth>;
}

async function readMonthInto(
  readings: readonly Reading[],
  month: string,
  store: Store,
  days: 'always' | 'where needed',
): Promise<void> {
  if (days === 'always') {
    const held = readings.map(({ placed }) => readTotalsAndDaily(store, month, placed.get(month)!));
    (await Promise.all(held)).forEach((stored, i) => readings[i]!.months.set(month, stored));
    return;
  }
  const totals = await readTotalsOf(
    store,
    month,
    readings.map(({ placed }) => placed.get(month)!),
  );
  readings.forEach(({ months }, i) => months.set(month, { totals: totals[i]! }));
}

/** The earlier months that must be read, those from a project's earliest late usage on, each with its projects. */
function historiesOf(
  { calendar, month }: InvoiceTerms,
  readings: readonly Reading[],
): Map<string, Reading[]> {
  const histories = new Map<string, Reading[]>();
  for (const reading of readings) {
    const [firstLate = month] = lateMonthsIn(reading.months.get(month)!.totals);
    for (let earlier = firstLate; earlier < month; earlier = calendar.nextMonth(earlier)) {
      const known = histories.get(earlier);
      if (known === undefined) histories.set(earlier, [reading]);
      else known.push(reading);
    }
  }
  return histories;
}

/** Whether a month that is priced, the own one or one with late usage, falls in parts for this project. */
function isPricedByDay(catalog: Catalog, plans: ProjectDocument['plans'], { months }: Reading): boolean {
  const own = [...months.keys()][0]!;
  const priced = [own, ...lateMonthsIn(months.get(own)!.totals)];
  return priced.some((of) => needsDays(catalog, plans, of, usageOfMonth(of, months).totals.keys()));
}

function inputOf(
  { calendar, catalog, seller, month, issuedAt }: InvoiceTerms,
  { billable: { project, number, creditNoteNumber, before }, months }: Reading,
  document: ProjectDocument | undefined,
): InvoiceInput {
  return {
    project,
    plans: document?.plans ?? [],
    ...(document?.profile && { profile: document.profile }),
    ...(document?.credits && { credits: document.credits }),
    ...(seller && { seller }),
    ...(before.last !== undefined && { carriedCredit: carriedCreditOf(JSON.parse(before.last) as Invoice) }),
    month,
    periodStart: new Date(calendar.monthStart(month)).toISOString(),
    periodEnd: new Date(calendar.monthEnd(month)).toISOString(),
    ...months.get(month)!,
    history: new Map([...months].filter(([of]) => of !== month)),
    catalog,
    number,
    ...(creditNoteNumber !== undefined && { creditNoteNumber }),
    hasCreditNote: before.hasCreditNote,
    issuedAt,
  };
}
