import { parseCopy } from '../lib/document';
import type { InvoiceInput } from '../billing/invoice/build-invoice';
import type { Catalog } from '../billing/catalog/catalog';
import type { Invoice, Seller } from '../billing/invoice/invoice';
import { isCreditNoteEntry, runningNumber } from '../billing/invoice/invoice-id';
import { lateMonthsIn, type StoredMonth } from '../billing/pricing/month-usage';
import type { ProjectDocument } from '../billing/project/project';
import type { BillingCalendar } from '../rating/billing-calendar';
import { readInvoicedBefore, readInvoices, type InvoicedBefore } from '../redis/views/invoices';
import { readProjectsNamed } from '../redis/views/projects';
import { placeProjects, type PlacedProject } from '../redis/usage/read-usage';
import { readUsage } from '../redis/usage/read-shard';
import type { Store } from '../redis/store';

/** The part of the input that is the same for all projects of a month. */
export interface InvoiceTerms {
  readonly store: Store;
  readonly calendar: BillingCalendar;
  readonly catalog: Catalog;
  readonly seller?: Seller | undefined;
  readonly month: string;
  readonly issuedAt: string;
}

/** A project to invoice. */
export interface Billable extends PlacedProject {
  readonly number: string | null;
  readonly creditNoteNumber?: string;
  readonly before: InvoicedBefore;
}

/** Collects everything that one invoice depends on, including all usage by day. */
export async function readInvoiceInput(
  terms: InvoiceTerms,
  project: string,
  number: string | null,
): Promise<InvoiceInput> {
  const [billable] = await billablesOf(terms, [project]);
  return (await readInvoiceInputs(terms, [{ ...billable!, number }]))[0]!;
}

/** The same for several projects, in their order, as if they were invoiced now without a number. */
export async function readUnissuedInputs(
  terms: InvoiceTerms,
  projects: readonly string[],
): Promise<InvoiceInput[]> {
  return readInvoiceInputs(terms, await billablesOf(terms, projects));
}

async function billablesOf({ store, month }: InvoiceTerms, projects: readonly string[]): Promise<Billable[]> {
  const [placed, before] = await Promise.all([
    placeProjects(store, month, projects),
    readInvoicedBefore(store, month, projects),
  ]);
  return placed.map((one, i) => ({ ...one, before: before[i]!, number: null }));
}

/**
 * Collects everything that the invoices of several projects depend on, in their order. Each step is
 * done for all of them together.
 */
export async function readInvoiceInputs(
  terms: InvoiceTerms,
  billables: readonly Billable[],
): Promise<InvoiceInput[]> {
  const { store, month } = terms;
  const readings = billables.map((billable): Reading => ({ billable, placed: new Map(), months: new Map() }));
  const documentsRead = readProjectsNamed(
    store,
    billables.map(({ project }) => project),
  );
  for (const reading of readings) reading.placed.set(month, reading.billable);
  await readMonthInto(readings, month, store);
  for (const [earlier, late] of historiesOf(terms, readings)) {
    const names = late.map(({ billable }) => billable.project);
    const placed = await placeProjects(store, earlier, names);
    late.forEach((reading, i) => reading.placed.set(earlier, placed[i]!));
    await readMonthInto(late, earlier, store);
  }
  const documents = await documentsRead;
  const issued = await Promise.all(
    readings.map(({ billable }, i) => invoicesBefore(store, billable, documents[i])),
  );
  const { calendar } = terms;
  const period = {
    periodStart: new Date(calendar.monthStart(month)).toISOString(),
    periodEnd: new Date(calendar.monthEnd(month)).toISOString(),
  };
  return readings.map((reading, i) => inputOf(terms, period, reading, documents[i], issued[i]!));
}

/** A project's invoices in the order of their numbers, without its credit notes. */
export async function issuedInvoices(store: Store, project: string): Promise<Invoice[]> {
  return [...(await readInvoices(store, project))]
    .filter(([entry]) => !isCreditNoteEntry(entry))
    .map(([, json]) => parseCopy('invoice.v1.json', json, `an invoice of ${project}`))
    .sort((a, b) => runningNumber(a.number!) - runningNumber(b.number!));
}

/**
 * The project's invoices that credits depend on, in the order of their numbers. Few projects have
 * credits.
 */
async function invoicesBefore(
  store: Store,
  { project, before: { own, last } }: Billable,
  document: ProjectDocument | undefined,
): Promise<Invoice[]> {
  const parsed = (json: string): Invoice => parseCopy('invoice.v1.json', json, `an invoice of ${project}`);
  // The balance of the last invoice is enough.
  if (document?.credits === undefined || document.credits.length === 0)
    return last === undefined ? [] : [parsed(last)];
  const invoices = await issuedInvoices(store, project);
  if (own === undefined) return invoices;
  const ownNumber = runningNumber(parsed(own).number!);
  return invoices.filter((invoice) => runningNumber(invoice.number!) < ownNumber);
}

/** The usage of a project that was read so far, by month. */
interface Reading {
  readonly billable: Billable;
  readonly placed: Map<string, PlacedProject>;
  readonly months: Map<string, StoredMonth>;
}

async function readMonthInto(readings: readonly Reading[], month: string, store: Store): Promise<void> {
  const places = readings.map(({ placed }) => placed.get(month)!);
  const usages = await readUsage(store, month, places);
  readings.forEach(({ months }, i) => months.set(month, usages[i]!));
}

/**
 * The earlier months that must be read, from a project's earliest late usage onwards, each with its
 * projects.
 */
function historiesOf(
  { calendar, month }: InvoiceTerms,
  readings: readonly Reading[],
): Map<string, Reading[]> {
  const histories = new Map<string, Reading[]>();
  for (const reading of readings) {
    const [firstLate = month] = lateMonthsIn(month, reading.months.get(month)!);
    for (let earlier = firstLate; earlier < month; earlier = calendar.nextMonth(earlier)) {
      const known = histories.get(earlier);
      if (known === undefined) histories.set(earlier, [reading]);
      else known.push(reading);
    }
  }
  return histories;
}

function inputOf(
  { catalog, seller, month, issuedAt }: InvoiceTerms,
  period: Pick<InvoiceInput, 'periodStart' | 'periodEnd'>,
  { billable: { project, number, creditNoteNumber, before }, months }: Reading,
  document: ProjectDocument | undefined,
  issued: readonly Invoice[],
): InvoiceInput {
  return {
    project,
    plans: document?.plans ?? [],
    ...(document?.profile && { profile: document.profile }),
    ...(document?.credits && { credits: document.credits }),
    ...(seller && { seller }),
    issued,
    month,
    ...period,
    ...months.get(month)!,
    history: new Map([...months].filter(([of]) => of !== month)),
    catalog,
    number,
    ...(creditNoteNumber !== undefined && { creditNoteNumber }),
    hasCreditNote: before.hasCreditNote,
    issuedAt,
  };
}
