import type { InvoiceStatus, InvoiceListItem } from '../../../schemas/types';
import { buildInvoice, type InvoiceOutcome } from '../../billing/invoice/build-invoice';
import type { Catalog } from '../../billing/catalog/catalog';
import type { Invoice } from '../../billing/invoice/invoice';
import { creditNoteEntry } from '../../billing/invoice/invoice-id';
import { doForEach, isHeld, orHeld, type Held } from '../../close/held/held-projects';
import { readUnissuedInputs } from '../../close/invoice-inputs';
import { parseCopy } from '../../lib/document';
import type { BillingCalendar } from '../../rating/billing-calendar';
import type { Store } from '../../redis/store';
import { readInvoicesOfMonthOf } from '../../redis/views/invoices';
import { readCloses } from '../../redis/views/closes';
import type { ListPage, ListPlace } from './project-list';
import { placeAfter, type ProjectNames } from './project-names';

export interface InvoiceFilters {
  /** All months by default, which only issued invoices have. */
  readonly month?: string | undefined;
  /** Issued by default. */
  readonly status?: InvoiceStatus | undefined;
  readonly plan?: string | undefined;
}

/** The last document of a page. */
export interface InvoicePlace {
  readonly month: string;
  readonly project: string;
  readonly entry: string;
}

export interface InvoiceSources {
  readonly store: Store;
  readonly calendar: BillingCalendar;
  readonly catalog: Catalog;
  readonly names: ProjectNames;
  readonly nowMs: () => number;
}

const READ_AT_ONCE = 100;
const READ_MAX = 5_000;
const PRICED_AT_ONCE = 50;
/** Pricing takes about a millisecond for each project. */
const PRICED_MAX = 500;

/**
 * One page of the installation's invoices and credit notes: the newest month first, then by
 * project, an invoice before its credit note.
 *
 * Only issued documents are stored. The others are what the month's projects would get now, so each
 * of them is priced.
 */
export function listInvoices(
  sources: InvoiceSources,
  filters: InvoiceFilters,
  place: ListPlace<InvoicePlace>,
): Promise<ListPage<InvoiceListItem, InvoicePlace>> {
  const { status = 'issued', month } = filters;
  return status === 'issued' || month === undefined
    ? listIssued(sources, filters, place)
    : listUnissued(sources, { ...filters, status, month }, place);
}

async function listIssued(
  { store, names }: InvoiceSources,
  { month, plan }: InvoiceFilters,
  { after, limit }: ListPlace<InvoicePlace>,
): Promise<ListPage<InvoiceListItem, InvoicePlace>> {
  const months = month === undefined ? [...(await readCloses(store)).keys()].reverse() : [month];
  const items: InvoiceListItem[] = [];
  let looked = 0;
  for (const one of months.filter((each) => after === undefined || each <= after.month)) {
    const all = await names.invoiced(one);
    const isBegun = one === after?.month;
    // Its credit note may be the first of this page.
    let from = isBegun ? placeAfter(all, after.project) : 0;
    if (isBegun && all[from - 1] === after.project) from -= 1;
    for (; from < all.length; from += READ_AT_ONCE) {
      const projects = all.slice(from, from + READ_AT_ONCE);
      for (const { entry, invoice } of await readDocuments(store, one, projects)) {
        const { project } = invoice;
        if (isBegun && project === after.project && entry <= after.entry) continue;
        if (plan !== undefined && invoice.plan !== plan) continue;
        if (items.length === limit) return { items, next: placeOf(items.at(-1)!) };
        items.push(issuedItem(invoice));
      }
      looked += projects.length;
      if (looked >= READ_MAX) {
        const project = projects.at(-1)!;
        return { items, next: { month: one, project, entry: creditNoteEntry(one) } };
      }
    }
  }
  return { items, next: undefined };
}

const placeOf = ({ month, project, kind }: InvoiceListItem): InvoicePlace => ({
  ...{ month, project, entry: entryOf(kind, month) },
});

const entryOf = (kind: string | undefined, month: string): string =>
  kind === 'credit_note' ? creditNoteEntry(month) : month;

async function readDocuments(
  store: Store,
  month: string,
  projects: readonly string[],
): Promise<{ entry: string; invoice: Invoice }[]> {
  const found = await readInvoicesOfMonthOf(store, projects, month);
  return found.flatMap((documents, i) =>
    documents.map((json) => {
      const invoice = parseCopy('invoice.v1.json', json, `an invoice of ${projects[i]}`);
      return { entry: entryOf(invoice.kind, month), invoice };
    }),
  );
}

function issuedItem(invoice: Invoice): InvoiceListItem {
  const { id, project, kind = 'invoice', number, month, plan, currency, issuedAt, total } = invoice;
  return { project, id, kind, status: 'issued', number, month, plan, currency, issuedAt, total };
}

async function listUnissued(
  sources: InvoiceSources,
  { month, status, plan }: InvoiceFilters & { readonly month: string; readonly status: InvoiceStatus },
  { after, limit }: ListPlace<InvoicePlace>,
): Promise<ListPage<InvoiceListItem, InvoicePlace>> {
  const { names } = sources;
  const [all, invoiced] = await Promise.all([names.ofMonth(month), names.invoiced(month)]);
  const isInvoiced = new Set(invoiced);
  const items: InvoiceListItem[] = [];
  let priced = 0;
  for (let at = placeAfter(all, after?.project); at < all.length;) {
    const projects: string[] = [];
    for (; at < all.length && projects.length < PRICED_AT_ONCE; at += 1)
      if (!isInvoiced.has(all[at]!)) projects.push(all[at]!);
    for (const item of await priceAll(sources, month, projects)) {
      if (item.status !== status || (plan !== undefined && item.plan !== plan)) continue;
      if (items.length === limit) return { items, next: placeOf(items.at(-1)!) };
      items.push(item);
    }
    priced += projects.length;
    if (priced >= PRICED_MAX && at < all.length)
      return { items, next: { month, project: all[at - 1]!, entry: month } };
  }
  return { items, next: undefined };
}

async function priceAll(
  { store, calendar, catalog, nowMs }: InvoiceSources,
  month: string,
  projects: readonly string[],
): Promise<InvoiceListItem[]> {
  const terms = { store, calendar, catalog, month, issuedAt: new Date(nowMs()).toISOString() };
  const { done, held } = await doForEach(
    projects.map((project) => ({ project })),
    month,
    (some) =>
      readUnissuedInputs(
        terms,
        some.map(({ project }) => project),
      ),
  );
  const priced = done.map((input) => orHeld(input.project, month, () => buildInvoice(input)));
  const items = [...held, ...priced].map((one): InvoiceListItem => {
    const { project } = isHeld(one) ? one : one.invoice;
    return {
      ...{ project, id: `${project}-${month}`, kind: 'invoice', number: null, month, issuedAt: null },
      ...{ currency: catalog.currency, ...(isHeld(one) ? heldItem(one) : pricedItem(one)) },
    };
  });
  return items.sort((a, b) => (a.project < b.project ? -1 : 1));
}

type Result = Pick<InvoiceListItem, 'status' | 'plan' | 'total' | 'problem'>;

const heldItem = (held: Held): Result => ({
  ...{ status: 'held', plan: null, total: null },
  problem: problemItem(held),
});

/** An invoice that is due and not issued is open, also while a close is issuing it. */
function pricedItem({ status, invoice: { plan, total }, problems }: InvoiceOutcome): Result {
  if (status !== 'draft') return { status: status === 'issued' ? 'open' : status, plan, total };
  const problem = problems.find(({ code }) => code !== 'NO_PRICE') ?? problems[0]!;
  const isDraft = problem.code === 'NO_PRICE';
  return { status: isDraft ? 'draft' : 'held', plan, total, problem: problemItem(problem) };
}

const problemItem = ({ code, detail, remedy }: Held): NonNullable<InvoiceListItem['problem']> => ({
  ...{ code, detail, remedy },
});
