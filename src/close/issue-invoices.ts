import { buildInvoice, type InvoiceInput, type InvoiceOutcome } from '../billing/build-invoice';
import { carriedCreditOf } from '../billing/correction-credits';
import type { Invoice, Seller } from '../billing/invoice';
import type { Catalog } from '../billing/catalog';
import { lateMonthsIn, type StoredMonth } from '../billing/month-usage';
import type { ProjectDocument } from '../billing/project';
import type { Progress } from '../progress';
import type { BillingCalendar } from '../rating/billing-calendar';
import { appendLedger } from '../stream/ledger';
import type { Publisher } from '../stream/producer';
import { readInvoices, writeInvoice } from '../totals/invoices';
import { eachProject, readProject } from '../totals/projects';
import { projectsOf, readDaily, readTotals } from '../totals/read';
import type { Store } from '../totals/store';

/** So many projects are read, priced and written together: enough to keep Redis and Kafka busy, few enough to hold. */
const PAGE_PROJECTS = 200;

export interface InvoicePlan {
  readonly store: Store;
  readonly calendar: BillingCalendar;
  readonly catalog: Catalog;
  readonly seller?: Seller | undefined;
  readonly month: string;
  readonly issuedAt: string;
  readonly progress: Progress;
  /** Where invoices go before Redis; none for a rehearsal, which writes nothing. */
  readonly ledger?: { readonly publisher: Publisher; readonly topic: string };
}

/** What became of the month's projects. */
export interface InvoiceReport {
  issued: number;
  /** Invoices that an earlier run of this close had issued. They never change. */
  alreadyIssued: number;
  nothingDue: number;
  /** Sum of the issued totals, these and the earlier run's, in minor units of the currency. */
  totalMinor: bigint;
  /** Projects whose invoice stays a draft, with what the catalog has no price for. */
  readonly drafts: { readonly project: string; readonly unpriced: readonly string[] }[];
  readonly overQuota: {
    readonly project: string;
    readonly name: string;
    readonly over: string;
    readonly unit: string;
  }[];
}

/** Makes the invoices of every project with totals in the month or with a plan, and publishes those with an amount due. */
export async function issueInvoices(plan: InvoicePlan): Promise<InvoiceReport> {
  const report: InvoiceReport = {
    issued: 0,
    alreadyIssued: 0,
    nothingDue: 0,
    totalMinor: 0n,
    drafts: [],
    overQuota: [],
  };
  let done = 0;
  for await (const page of pagesOf(projectsToBill(plan.store, plan.month), PAGE_PROJECTS)) {
    const billed = await Promise.all(page.map((project) => billProject(plan, project)));
    const issued = billed.filter(({ outcome }) => outcome?.status === 'issued');
    if (plan.ledger) {
      const documents = issued.map(({ project, outcome }) => ({
        project,
        id: outcome!.invoice.id,
        json: JSON.stringify(outcome!.invoice),
      }));
      await appendLedger(
        plan.ledger.publisher,
        plan.ledger.topic,
        documents.map(({ id, json }) => ({ key: id, value: json })),
      );
      await Promise.all(
        documents.map(({ project, json }) => writeInvoice(plan.store, project, plan.month, json)),
      );
    }
    for (const one of billed) countIn(report, one);
    done += page.length;
    plan.progress.update(done, undefined, `${report.issued} issued`);
  }
  return report;
}

interface Billed {
  readonly project: string;
  /** Of an invoice issued before: its total, and no outcome. */
  readonly issuedTotal?: string;
  readonly outcome?: InvoiceOutcome;
}

async function billProject(plan: InvoicePlan, project: string): Promise<Billed> {
  const earlier = await readInvoices(plan.store, project);
  const issuedBefore = earlier.get(plan.month);
  if (issuedBefore !== undefined) {
    return { project, issuedTotal: (JSON.parse(issuedBefore) as { total: string }).total };
  }
  const number = `${project}-${String(earlier.size + 1).padStart(4, '0')}`;
  return { project, outcome: await invoiceOf(plan, project, number) };
}

/** What an invoice is made under: one for all projects of a month. */
export type InvoiceTerms = Pick<
  InvoicePlan,
  'store' | 'calendar' | 'catalog' | 'seller' | 'month' | 'issuedAt'
>;

/** Gathers what an invoice depends on, and builds it. */
export async function invoiceOf(
  terms: InvoiceTerms,
  project: string,
  number: string | null,
): Promise<InvoiceOutcome> {
  return buildInvoice(await readInvoiceInput(terms, project, number));
}

/** Gathers what an invoice depends on. */
export async function readInvoiceInput(
  { store, calendar, catalog, seller, month, issuedAt }: InvoiceTerms,
  project: string,
  number: string | null,
): Promise<InvoiceInput> {
  const [document, own, issued] = await Promise.all([
    readProject(store, project),
    storedMonth(store, project, month),
    readInvoices(store, project),
  ]);
  const [, lastIssued] = [...issued].findLast(([of]) => of < month) ?? [];
  const history = new Map<string, StoredMonth>();
  const [firstLate] = lateMonthsIn(own.totals);
  for (
    let earlier = firstLate;
    earlier !== undefined && earlier < month;
    earlier = calendar.nextMonth(earlier)
  ) {
    history.set(earlier, await storedMonth(store, project, earlier));
  }
  return {
    project,
    plans: document?.plans ?? [],
    ...profileAndCredits(document),
    ...(seller && { seller }),
    ...(lastIssued !== undefined && { carriedCredit: carriedCreditOf(JSON.parse(lastIssued) as Invoice) }),
    month,
    periodStart: new Date(calendar.monthStart(month)).toISOString(),
    periodEnd: new Date(calendar.monthEnd(month)).toISOString(),
    ...own,
    history,
    catalog,
    number,
    issuedAt,
  };
}

function profileAndCredits(
  document: ProjectDocument | undefined,
): Pick<ProjectDocument, 'profile' | 'credits'> {
  return {
    ...(document?.profile !== undefined && { profile: document.profile }),
    ...(document?.credits !== undefined && { credits: document.credits }),
  };
}

async function storedMonth(store: Store, project: string, month: string): Promise<StoredMonth> {
  const [totals, daily] = await Promise.all([
    readTotals(store, project, month),
    readDaily(store, project, month),
  ]);
  return { totals, daily };
}

/** Projects with totals in the month, then those with a plan and none: a plan's fee is due without usage. */
export async function* projectsToBill(store: Store, month: string): AsyncGenerator<string> {
  const withUsage = new Set<string>();
  for await (const project of projectsOf(store, month)) {
    withUsage.add(project);
    yield project;
  }
  for await (const { project, plans } of eachProject(store)) {
    if (!withUsage.has(project) && plans.some(({ from }) => from.slice(0, 7) <= month)) yield project;
  }
}

function countIn(report: InvoiceReport, { project, issuedTotal, outcome }: Billed): void {
  if (issuedTotal !== undefined) {
    report.alreadyIssued += 1;
    report.totalMinor += minorOf(issuedTotal);
    return;
  }
  if (outcome === undefined) return;
  for (const { name, over, unit } of outcome.overQuota) report.overQuota.push({ project, name, over, unit });
  switch (outcome.status) {
    case 'issued':
      report.issued += 1;
      report.totalMinor += minorOf(outcome.invoice.total);
      break;
    case 'nothing_due':
      report.nothingDue += 1;
      break;
    case 'draft':
      report.drafts.push({ project, unpriced: outcome.unpricedModels });
      break;
  }
}

/** `12.34` -> 1234n: amounts have the currency's fixed number of digits. */
function minorOf(amount: string): bigint {
  return BigInt(amount.replace('.', ''));
}

async function* pagesOf<T>(items: AsyncIterable<T>, size: number): AsyncGenerator<T[]> {
  let page: T[] = [];
  for await (const item of items) {
    page.push(item);
    if (page.length < size) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
