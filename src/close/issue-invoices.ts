import { parseCopy } from '../lib/document';
import { buildInvoice, type InvoiceInput, type InvoiceOutcome } from '../billing/invoice/build-invoice';
import type { Invoice, InvoiceLine } from '../billing/invoice/invoice';
import { eachConcurrently } from '../lib/process/concurrently';
import type { Progress } from '../lib/progress';
import { appendLedger } from '../kafka/ledger/ledger';
import type { Publisher } from '../kafka/producer';
import { readInvoiceNumbers } from '../redis/views/invoices';
import { countSetProjects, eachPageOfProjects } from '../redis/views/projects';
import {
  countProjects,
  eachPageOfProjectsWithTotals,
  placeProjects,
  type PlacedProject,
} from '../redis/usage/read-usage';
import type { Store } from '../redis/store';
import { doForEach, isHeld, orHeld, type Held } from './held/held-projects';
import { orHeldIfRepriced } from './held/hold-repriced';
import { readInvoiceInput, readInvoiceInputs, type InvoiceTerms } from './invoice-inputs';
import { monthOf } from '../rating/month';
import { numberInvoices, type Numbered } from './number-invoices';

/**
 * How many pages of about 500 projects are in work at once. While one is priced, Redis reads the
 * next and Kafka writes the one before. A close holds nothing else in memory.
 */
const PAGES_AT_ONCE = 3;

export interface InvoicePlan extends InvoiceTerms {
  readonly progress: Progress;
  /**
   * Called for each page before it is priced. Returns the projects that must not be invoiced now,
   * and why.
   */
  readonly holds?: readonly ((page: readonly PlacedProject[]) => Promise<readonly Held[]>)[];
  /** Where invoices are published; absent for a rehearsal, which writes nothing. */
  readonly ledger?: {
    readonly publisher: Publisher;
    readonly topic: string;
    /** Called before each page is published. Rejects if what was read cannot be trusted. */
    mayPublish(): Promise<void>;
  };
}

/** The result for the month's projects. */
export interface InvoiceReport {
  issued: number;
  /** Invoices that an earlier run of this close issued. They never change. */
  alreadyIssued: number;
  nothingDue: number;
  /** The sum of the issued totals, including the earlier run's, in minor units of the currency. */
  totalMinor: bigint;
  /** Credit notes that were issued now, and their (negative) sum in minor units. */
  readonly creditNotes: { issued: number; totalMinor: bigint };
  /** Lines of late usage on the documents that were issued now, and their sum in minor units. */
  readonly late: { lines: number; totalMinor: bigint };
  /**
   * Projects whose invoice stays a draft, with the models that have no price. Ordered by project,
   * like `overQuota`.
   */
  drafts: { readonly project: string; readonly unpriced: readonly string[] }[];
  /** Projects that could not be invoiced for another reason, ordered by project. */
  held: Held[];
  overQuota: {
    readonly project: string;
    readonly name: string;
    readonly over: string;
    readonly unit: string;
  }[];
}

/**
 * Builds the invoices of every project with totals in the month, with a plan, or with rented phone
 * numbers. Publishes credit notes, and invoices with an amount due.
 */
export async function issueInvoices(plan: InvoicePlan): Promise<InvoiceReport> {
  const report: InvoiceReport = {
    issued: 0,
    alreadyIssued: 0,
    nothingDue: 0,
    totalMinor: 0n,
    creditNotes: { issued: 0, totalMinor: 0n },
    late: { lines: 0, totalMinor: 0n },
    drafts: [],
    held: [],
    overQuota: [],
  };
  const { store, month } = plan;
  const toLookAt = (await countProjects(store, month)) + (await countSetProjects(store));
  let lookedAt = 0;
  await eachConcurrently(pagesToBill(store, month), PAGES_AT_ONCE, async (page) => {
    const { done: billed, held } = await billPage(plan, page.projects);
    if (plan.ledger) await issue(plan.ledger, billed);
    for (const one of billed) countIn(report, one);
    report.held.push(...held);
    lookedAt += page.lookedAt;
    plan.progress.update(lookedAt, toLookAt, `${report.issued.toLocaleString('en-US')} issued`);
  });
  const byProject = (a: { project: string }, b: { project: string }): number =>
    a.project < b.project ? -1 : 1;
  report.drafts.sort(byProject);
  report.held.sort(byProject);
  report.overQuota.sort((a, b) => (a.project === b.project ? 0 : byProject(a, b)));
  return report;
}

interface Billed {
  readonly project: string;
  /** The total of an invoice that was issued before. */
  readonly issuedTotal?: string;
  readonly outcome?: InvoiceOutcome;
  /** To be issued. */
  readonly creditNote?: Invoice;
}

/** An error for one project holds that project. The others of its page are billed. */
async function billPage(
  plan: InvoicePlan,
  page: readonly PlacedProject[],
): Promise<{ done: Billed[]; held: Held[] }> {
  const { store, month } = plan;
  const numbered = await doForEach(page, month, (some) => numberInvoices(store, month, some));
  const [issued, due] = [true, false].map((isIssued) =>
    numbered.done.filter(({ issuedTotal }) => (issuedTotal !== undefined) === isIssued),
  ) as [Numbered[], Numbered[]];
  const held = [...numbered.held];
  for (const hold of plan.holds ?? []) held.push(...(await hold(due)));
  const holding = new Set(held.map(({ project }) => project));
  const free = due.filter(({ project }) => !holding.has(project));
  const read = await doForEach(free, month, async (some) => {
    const inputs = await readInvoiceInputs(plan, some);
    return inputs.map((input, i) => ({
      ...input,
      issuedAt: dateAfter(some[i]!.before.last, input.issuedAt),
    }));
  });
  const compared = await doForEach(read.done, month, (some) =>
    Promise.all(some.map((input) => orHeldIfRepriced(store, input))),
  );
  const built = compared.done.map((one) =>
    isHeld(one) ? one : orHeld(one.project, month, () => billedOf(one)),
  );
  const named = await doForEach(
    built.filter((one) => !isHeld(one)),
    month,
    (some) => Promise.all(some.map((one) => namingInvoices(store, one))),
  );
  return {
    done: [...issued, ...named.done],
    held: [...held, ...read.held, ...compared.held, ...built.filter(isHeld), ...named.held],
  };
}

/**
 * Dates of a project rise with its numbers, even if a clock was set back or a month was closed with
 * another clock.
 */
function dateAfter(last: string | undefined, issuedAt: string): string {
  const before = last === undefined ? '' : parseCopy('invoice.v1.json', last, 'the invoice before').issuedAt;
  return before > issuedAt ? before : issuedAt;
}

function billedOf(input: InvoiceInput): Billed | Held {
  const outcome = buildInvoice(input);
  const held = outcome.problems.find(({ code }) => code !== 'NO_PRICE');
  if (held !== undefined) return held;
  const isNew = outcome.status !== 'draft' && input.hasCreditNote !== true;
  const creditNote = isNew ? outcome.creditNote : undefined;
  return { project: input.project, outcome, ...(creditNote && { creditNote }) };
}

/** A credit note names the invoices of the months that it corrects. */
async function namingInvoices(store: Store, billed: Billed): Promise<Billed> {
  const { creditNote: note } = billed;
  if (note === undefined) return billed;
  const months = note.corrects!.map(({ month }) => month);
  const numbers = await readInvoiceNumbers(store, note.project, months);
  const corrects = months.map((month) => ({
    month,
    ...(numbers.has(month) && { invoice: numbers.get(month)! }),
  }));
  return { ...billed, creditNote: { ...note, corrects } };
}

/**
 * Publishes credit notes, then invoices. A run that was killed in between is recognized by the
 * credit note without an invoice, so late usage is not charged again.
 */
async function issue(
  { publisher, topic, ...ledger }: NonNullable<InvoicePlan['ledger']>,
  billed: readonly Billed[],
): Promise<void> {
  const creditNotes = billed.flatMap(({ creditNote }) => creditNote ?? []);
  const invoices = billed.flatMap(({ outcome }) => (outcome?.status === 'issued' ? outcome.invoice : []));
  for (const documents of [creditNotes, invoices]) {
    if (documents.length === 0) continue;
    await ledger.mayPublish();
    await appendLedger(
      publisher,
      topic,
      documents.map((document) => ({ key: document.id, value: JSON.stringify(document) })),
    );
  }
}

/** Collects everything that one invoice depends on, and builds it. */
export async function invoiceOf(
  terms: InvoiceTerms,
  project: string,
  number: string | null,
): Promise<InvoiceOutcome> {
  return buildInvoice(await readInvoiceInput(terms, project, number));
}

/**
 * Projects with totals in the month, then those with a plan or rented phone numbers and no totals,
 * because a plan's fee and the rent are due without usage.
 */
export async function* projectsToBill(store: Store, month: string): AsyncGenerator<string> {
  for await (const { projects } of pagesToBill(store, month)) {
    for (const { project } of projects) yield project;
  }
}

/**
 * `lookedAt` also counts projects that are in no page, because their totals would have been listed
 * before.
 */
async function* pagesToBill(
  store: Store,
  month: string,
): AsyncGenerator<{ readonly projects: readonly PlacedProject[]; readonly lookedAt: number }> {
  for await (const projects of eachPageOfProjectsWithTotals(store, month)) {
    yield { projects, lookedAt: projects.reduce((sum, { shards }) => sum + shards.length, 0) };
  }
  for await (const page of eachPageOfProjects(store)) {
    // A damaged document may contain a plan, so it is included, and its project is held when it is
    // read.
    const begun = page.filter(
      ({ plans, profile, isUnreadable }) =>
        isUnreadable ||
        [...plans, ...(profile?.phoneNumbers ?? [])].some(({ from }) => monthOf(from) <= month),
    );
    const placed = await placeProjects(
      store,
      month,
      begun.map(({ project }) => project),
    );
    yield { projects: placed.filter(({ shards }) => shards.length === 0), lookedAt: page.length };
  }
}

function countIn(report: InvoiceReport, { project, issuedTotal, outcome, creditNote }: Billed): void {
  if (issuedTotal !== undefined) {
    report.alreadyIssued += 1;
    report.totalMinor += minorOf(issuedTotal);
    return;
  }
  if (outcome === undefined) return;
  if (creditNote !== undefined) {
    report.creditNotes.issued += 1;
    report.creditNotes.totalMinor += minorOf(creditNote.total);
    countLate(report, creditNote.lines);
  }
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

/** `12.34` -> 1234n. Amounts have the currency's fixed number of digits. */
function minorOf(amount: string): bigint {
  return BigInt(amount.replace('.', ''));
}
