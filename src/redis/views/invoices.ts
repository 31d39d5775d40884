import { parseCopy } from '../../lib/document';
import { Cluster } from 'ioredis';
import { creditNoteEntry, isCreditNoteEntry, runningNumber } from '../../billing/invoice/invoice-id';
import { eachMember } from '../scan';
import { shownOf, type ShownInvoice } from './write-invoices';
import { checkNoneLost, invoiceIndexView, readIndexed } from './invoice-index';
import { PAGE_RECORDS, parsePosition, positionText, type LedgerView, type Shown } from './ledger-view';
import type { Store } from '../store';
import { monthOf } from '../../rating/month';

/**
 * The invoices and credit notes, by their ids. On one server they and their position change in one
 * step. On a cluster they are in many slots: see invoice-index.ts.
 */
export function invoicesView(store: Store): LedgerView {
  if (store.redis instanceof Cluster) return invoiceIndexView(store);
  const key = store.keys.invoicesShown;
  return {
    ledger: 'billing.invoices',
    pageRecords: PAGE_RECORDS,
    async find() {
      const text = (await store.redis.get(key)) ?? '';
      return { text, position: parsePosition(text) };
    },
    show: ({ text }, next, records) =>
      showInvoices(store, text, positionText(next), records.flatMap(shownOf)),
    forget: async () => void (await store.redis.del(key)),
  };
}

async function showInvoices(
  store: Store,
  found: string,
  next: string,
  documents: readonly ShownInvoice[],
): Promise<Shown | undefined> {
  const keys = documents.flatMap(({ project, entry }) => [
    store.keys.invoices(project),
    store.keys.invoiced(monthOf(entry)),
  ]);
  const [answer, added] = await store.redis.showInvoices(
    1 + keys.length,
    store.keys.invoicesShown,
    ...keys,
    found,
    next,
    ...documents.flatMap(({ project, entry, json }) => [project, entry, json ?? '']),
  );
  return answer === 'SHOWN' ? { added: Number(added), text: next } : undefined;
}

/** What was invoiced to a project before a month is closed. */
export interface InvoicedBefore {
  readonly count: number;
  readonly creditNoteCount: number;
  /** The month's own invoice as JSON, if it was issued already. */
  readonly own?: string;
  /** Whether the month's credit note was issued already. */
  readonly hasCreditNote: boolean;
  /**
   * The invoice issued before it, by its number, as JSON. This is normally that of an earlier
   * month. But if a month's invoice was a draft for long, it may be issued after a later one, and
   * what that one carried on must not be used twice.
   */
  readonly last?: string;
}

/**
 * What several projects were invoiced so far, in their order. Normally it reads at most two
 * invoices of each.
 *
 * @throws TallymanError `REDIS_WENT_BACK` if a cluster has lost one of their documents
 */
export async function readInvoicedBefore(
  store: Store,
  month: string,
  projects: readonly string[],
): Promise<InvoicedBefore[]> {
  const keys = projects.map((project) => store.keys.invoices(project));
  const isCluster = store.redis instanceof Cluster;
  const listed = isCluster ? await readIndexed(store, projects) : [];
  const entries = (await store.send(keys.map((key) => ['hkeys', key]))) as string[][];
  if (isCluster) await checkNoneLost(store, projects, listed, entries);
  const months = entries.map((all) => all.filter((entry) => !isCreditNoteEntry(entry)));
  const own = await readFields(
    store,
    keys,
    months.map((all) => (all.includes(month) ? month : undefined)),
  );
  const wanted = own.map((json, i) => (json === undefined ? months[i]!.length : numberOf(json) - 1));
  const likely = months.map((all, i) => {
    const before = own[i] === undefined ? all : all.filter((one) => one < month);
    return wanted[i] === 0 ? undefined : before.sort().at(-1);
  });
  const last = await readFields(store, keys, likely);
  for (const [i, number] of wanted.entries()) {
    if (number === 0 || (last[i] !== undefined && numberOf(last[i]) === number)) continue;
    last[i] = (await store.redis.hvals(keys[i]!)).find((json) => numberOf(json) === number);
  }
  return months.map((all, i) => ({
    count: all.length,
    creditNoteCount: entries[i]!.length - all.length,
    hasCreditNote: entries[i]!.includes(creditNoteEntry(month)),
    ...(own[i] !== undefined && { own: own[i] }),
    ...(last[i] !== undefined && { last: last[i] }),
  }));
}

/**
 * The numbers of a project's invoices of these months: month -> number. A month without an invoice
 * is left out.
 */
export async function readInvoiceNumbers(
  store: Store,
  project: string,
  months: readonly string[],
): Promise<Map<string, string>> {
  const found = await store.redis.hmget(store.keys.invoices(project), ...months);
  return new Map(
    months.flatMap((month, i) => {
      const json = found[i];
      return json
        ? [[month, parseCopy('invoice.v1.json', json, `the ${month} invoice of ${project}`).number!] as const]
        : [];
    }),
  );
}

/** One field of each hash, if a field is given for it. */
async function readFields(
  store: Store,
  keys: readonly string[],
  fields: readonly (string | undefined)[],
): Promise<(string | undefined)[]> {
  const found = await store.send(
    keys.flatMap((key, i) => (fields[i] === undefined ? [] : [['hget', key, fields[i]] as const])),
  );
  let next = 0;
  return fields.map((field) => (field === undefined ? undefined : (found[next++] as string)));
}

/** The running number of an issued invoice: 3 for `acme-0003`, and NaN for a credit note. */
function numberOf(json: string): number {
  return runningNumber(parseCopy('invoice.v1.json', json, 'an invoice').number!);
}

/**
 * A project's invoice or credit note as JSON; undefined if there is none.
 *
 * @param entry the month of an invoice, or a month's `creditNoteEntry`
 */
export async function readInvoice(store: Store, project: string, entry: string): Promise<string | undefined> {
  return (await store.redis.hget(store.keys.invoices(project), entry)) ?? undefined;
}

/** Projects whose documents are read at once. */
const PROJECTS_AT_ONCE = 100;

/** The documents of a month of several projects as JSON, in their order: as many as there are. */
export async function* eachInvoiceOfMonth(
  store: Store,
  projects: readonly string[],
  month: string,
): AsyncGenerator<{ readonly project: string; readonly documents: readonly string[] }, void, undefined> {
  for (let from = 0; from < projects.length; from += PROJECTS_AT_ONCE) {
    const some = projects.slice(from, from + PROJECTS_AT_ONCE);
    const found = await readInvoicesOfMonthOf(store, some, month);
    yield* some.map((project, i) => ({ project, documents: found[i]! }));
  }
}

/** Each project's documents of a month as JSON: its invoice, its credit note, both or none. */
export async function readInvoicesOfMonthOf(
  store: Store,
  projects: readonly string[],
  month: string,
): Promise<string[][]> {
  const found = await store.send(
    projects.map((project) => ['hmget', store.keys.invoices(project), month, creditNoteEntry(month)]),
  );
  return (found as (string | null)[][]).map((documents) => documents.filter((json) => json !== null));
}

/** The same of one project. */
export async function readInvoicesOfMonth(store: Store, project: string, month: string): Promise<string[]> {
  return (await readInvoicesOfMonthOf(store, [project], month))[0]!;
}

/**
 * A project's invoices and credit notes in order, a month's invoice before its credit note: entry
 * -> JSON.
 */
export async function readInvoices(store: Store, project: string): Promise<Map<string, string>> {
  const invoices = Object.entries(await store.redis.hgetall(store.keys.invoices(project)));
  return new Map(invoices.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The projects with an invoice or a credit note in a month, each once, unordered. */
export function invoicedProjects(store: Store, month: string): AsyncGenerator<string, void, undefined> {
  return eachMember(store, store.keys.invoiced(month));
}

/** The same in order, all in memory. */
export async function invoicedInOrder(store: Store, month: string): Promise<string[]> {
  const projects: string[] = [];
  for await (const project of invoicedProjects(store, month)) projects.push(project);
  return projects.sort();
}
