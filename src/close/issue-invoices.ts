import { buildInvoice, type InvoiceOutcome } from '../billing/build-invoice';
import type { InvoiceLine } from '../billing/invoice';
import { eachConcurrently } from '../concurrently';
import type { Progress } from '../progress';
import { appendLedger } from '../stream/ledger';
import type { Publisher } from '../stream/producer';
import { readInvoicedBefore, writeInvoices } from '../totals/invoices';
import { countSetProjects, eachPageOfProjects } from '../totals/projects';
import {
  countProjects,
  eachPageOfProjectsWithTotals,
  placeProjects,
  type PlacedProject,
} from '../totals/read';
import type { Store } from '../totals/store';
import { readInvoiceInput, readInvoiceInputs, type InvoiceTerms } from './invoice-inputs';

/**
 * Pages of about 500 projects are read, priced and written together, so many at once: while one is priced, Redis
 * reads for the next and Kafka writes the one before. They are all that a close holds.
 */
const PAGES_AT_ONCE = 3;

export interface InvoicePlan extends InvoiceTerms {
  readonly progress: Progress;
  /** Where invoices go before Redis; none for a rehearsal, which writes nothing. */
  readonly ledger?: {
    readonly publisher: Publisher;
    readonly topic: string;
    /** Asked before each page is published; rejects if what was read cannot be trusted. */
    mayPublish(): Promise<void>;
  };
}

/** What became of the month's projects. */
export interface InvoiceReport {
  issued: number;
  /** Invoices that an earlier run of this close had issued. They never change. */
  alreadyIssued: number;
  nothingDue: number;
  /** Sum of the issued totals, these and the earlier run's, in minor units of the currency. */
  totalMinor: bigint;
  /** Lines of late usage on the invoices now issued, and what they come to, in minor units. */
  readonly late: { lines: number; totalMinor: bigint };
  /** Projects whose invoice stays a draft, with what the catalog has no price for. By project, as `overQuota` is. */
  drafts: { readonly project: string; readonly unpriced: readonly string[] }[];
  overQuota: {
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
    late: { lines: 0, totalMinor: 0n },
    drafts: [],
    overQuota: [],
  };
  const { store, month } = plan;
  const toLookAt = (await countProjects(store, month)) + (await countSetProjects(store));
  let lookedAt = 0;
  await eachConcurrently(pagesToBill(store, month), PAGES_AT_ONCE, async (page) => {
    const billed = await billPage(plan, page.projects);
    if (plan.ledger) await issue(plan.ledger, store, month, billed);
    for (const one of billed) countIn(report, one);
    lookedAt += page.lookedAt;
    plan.progress.update(lookedAt, toLookAt, `${report.issued.toLocaleString('en-US')} issued`);
  });
  const byProject = (a: { project: string }, b: { project: string }): number =>
    a.project < b.project ? -1 : 1;
  report.drafts.sort(byProject);
  report.overQuota.sort((a, b) => (a.project === b.project ? 0 : byProject(a, b)));
  return report;
}

interface Billed {
  readonly project: string;
  /** Of an invoice issued before: its total, and no outcome. */
  readonly issuedTotal?: string;
  readonly outcome?: InvoiceOutcome;
}

async function billPage(plan: InvoicePlan, page: readonly PlacedProject[]): Promise<Billed[]> {
  const before = await readInvoicedBefore(
    plan.store,
    plan.month,
    page.map(({ project }) => project),
  );
  const billables = page.map((placed, i) => ({
    ...placed,
    before: before[i]!,
    number: `${placed.project}-${String(before[i]!.count + 1).padStart(4, '0')}`,
  }));
  const inputs = await readInvoiceInputs(
    plan,
    billables.filter(({ before: { own } }) => own === undefined),
    'where needed',
  );
  return [
    ...billables.flatMap(({ project, before: { own } }) =>
      own === undefined ? [] : [{ project, issuedTotal: (JSON.parse(own) as { total: string }).total }],
    ),
    ...inputs.map((input) => ({ project: input.project, outcome: buildInvoice(input) })),
  ];
}

/** First the ledger, then what Redis shows: killed in between, the next run finds the invoice in the ledger. */
async function issue(
  { publisher, topic, ...ledger }: NonNullable<InvoicePlan['ledger']>,
  store: Store,
  month: string,
  billed: readonly Billed[],
): Promise<void> {
  const issued = billed.flatMap(({ project, outcome }) =>
    outcome?.status === 'issued'
      ? [{ project, id: outcome.invoice.id, json: JSON.stringify(outcome.invoice) }]
      : [],
  );
  await ledger.mayPublish();
  await appendLedger(
    publisher,
    topic,
    issued.map(({ id, json }) => ({ key: id, value: json })),
  );
  await writeInvoices(store, month, issued);
}

/** Gathers what one invoice depends on, and builds it. */
export async function invoiceOf(
  terms: InvoiceTerms,
  project: string,
  number: string | null,
): Promise<InvoiceOutcome> {
  return buildInvoice(await readInvoiceInput(terms, project, number));
}

/** Projects with totals in the month, then those with a plan and none: a plan's fee is due without usage. */
export async function* projectsToBill(store: Store, month: string): AsyncGenerator<string> {
  for await (const { projects } of pagesToBill(store, month)) {
    for (const { project } of projects) yield project;
  }
}

/** `lookedAt` also counts those that are in no page: had there been totals they would have come before. */
async function* pagesToBill(
  store: Store,
  month: string,
): AsyncGenerator<{ readonly projects: readonly PlacedProject[]; readonly lookedAt: number }> {
  for await (const projects of eachPageOfProjectsWithTotals(store, month)) {
    yield { projects, lookedAt: projects.reduce((sum, { shards }) => sum + shards.length, 0) };
  }
  for await (const page of eachPageOfProjects(store)) {
    const begun = page.filter(({ plans }) => plans.some(({ from }) => from.slice(0, 7) <= month));
    const placed = await placeProjects(
      store,
      month,
      begun.map(({ project }) => project),
    );
    yield { projects: placed.filter(({ shards }) => shards.length === 0), lookedAt: page.length };
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
      countLate(report, outcome.invoice.lines);
      break;
    case 'nothing_due':
      report.nothingDue += 1;
      break;
    case 'draft':
      report.drafts.push({ project, unpriced: outcome.unpricedModels });
      break;
  }
}

function countLate({ late }: InvoiceReport, lines: readonly InvoiceLine[]): void {
  for (const { kind, amount } of lines) {
    if (kind !== 'late') continue;
    late.lines += 1;
    late.totalMinor += minorOf(amount!);
  }
}

/** `12.34` -> 1234n: amounts have the currency's fixed number of digits. */
function minorOf(amount: string): bigint {
  return BigInt(amount.replace('.', ''));
}
