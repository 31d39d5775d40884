import { createHash } from 'node:crypto';
import { parseInvoiceId } from '../../billing/invoice/invoice-id';
import type { KafkaClient } from '../../kafka/client';
import { readLedger, type LedgerRecord } from '../../kafka/ledger/ledger';
import { parseCopy } from '../../lib/document';
import { pause } from '../../lib/process/poller';
import { readCloses } from '../../redis/views/closes';
import { followLedger } from '../../installation/ledgers/follow-ledger';
import { closesView, projectsView } from '../../redis/views/ledger-view';
import { invoicesView, readInvoice } from '../../redis/views/invoices';
import { eachPageOfProjects, readProject } from '../../redis/views/projects';
import type { Store } from '../../redis/store';
import type { Difference } from './difference';
import { InvoiceNumbers } from './invoice-numbers';
import { monthOf } from '../../rating/month';

/** Ledgers are written before Redis, so a difference is checked again after each of these waits. */
const LOOKS_AFTER_MS = [1_000, 2_000, 4_000];
const READ_AT_ONCE = 200;

export interface ViewComparison {
  readonly client: KafkaClient;
  readonly store: Store;
  readonly prefix: string;
  readonly onDifference: (difference: Difference) => void;
}

/**
 * One record of a ledger, and where Redis shows it. Only a digest is kept in memory, because a
 * ledger may hold years.
 */
interface View {
  readonly ledger: 'billing.projects' | 'billing.closes' | 'billing.invoices';
  readonly at: Pick<Difference, 'month' | 'project'>;
  readonly digest: string;
  /** How the difference is described to a person. */
  readonly label: string;
  read(store: Store): Promise<string | undefined>;
}

interface Mismatch {
  readonly at: Pick<Difference, 'month' | 'project'>;
  readonly ledger: View['ledger'];
  /** The value in the ledger; null if it has none under this key. */
  readonly label: string | null;
  readonly found: string | undefined;
}

/**
 * Brings the views to the ends of their ledgers, as each verb does before it reads one. A view
 * whose number of fields has changed since it was shown has lost some. It stays as it is, so that
 * it is reported.
 */
export async function catchUpWholeViews({
  client,
  store,
  prefix,
}: Omit<ViewComparison, 'onDifference'>): Promise<void> {
  for (const view of [projectsView(store), closesView(store), invoicesView(store)]) {
    const { text, position } = await view.find();
    if (position !== undefined || text === '') await followLedger(client, view, prefix).catchUp();
  }
}

/**
 * Compares Redis's views with their ledgers: plans, closes and invoices, byte by byte, and the
 * numbers of the invoices with one another.
 */
export async function compareViews(comparison: ViewComparison): Promise<void> {
  let standing = await mismatches(comparison, comparison.onDifference);
  for (const waitMs of LOOKS_AFTER_MS) {
    if (standing.size === 0) return;
    await pause(waitMs);
    const now = await mismatches(comparison);
    standing = new Map([...now].filter(([key, { label }]) => standing.get(key)?.label === label));
  }
  for (const { at, ledger, label, found } of standing.values()) {
    const difference = { kind: 'view', ...at, field: ledger, expected: label } as const;
    comparison.onDifference({ ...difference, found: found === undefined ? null : labelOf(found) });
  }
}

async function mismatches(
  { client, store, prefix }: ViewComparison,
  onNumber?: (difference: Difference) => void,
): Promise<Map<string, Mismatch>> {
  const views = new Map<string, View>();
  const numbers = new InvoiceNumbers();
  // Until its close is complete, invoices of a month are in the ledger before Redis shows them.
  const unfinished = new Set<string>();
  const note = ({ key, value }: LedgerRecord, ledger: View['ledger']): void => {
    if (value === null) views.delete(`${ledger} ${key}`);
    else views.set(`${ledger} ${key}`, viewOf(ledger, key, value));
  };
  await readLedger(client, prefix, 'billing.projects', (record) => note(record, 'billing.projects'));
  await readLedger(client, prefix, 'billing.closes', (record) => {
    note(record, 'billing.closes');
    if (record.document === null || record.document.completed) unfinished.delete(record.key);
    else unfinished.add(record.key);
  });
  await readLedger(client, prefix, 'billing.invoices', (record) => {
    note(record, 'billing.invoices');
    numbers.set(record.key, record.document);
  });
  if (onNumber) for (const difference of numbers.differences()) onNumber(difference);
  const found = new Map<string, Mismatch>();
  const all = [...views];
  for (let from = 0; from < all.length; from += READ_AT_ONCE) {
    const some = all.slice(from, from + READ_AT_ONCE);
    const shown = await Promise.all(some.map(([, view]) => view.read(store)));
    for (const [i, [key, { ledger, at, label, digest }]] of some.entries()) {
      const text = shown[i];
      const isPending = ledger === 'billing.invoices' && text === undefined && unfinished.has(at.month ?? '');
      if (!isPending && (text === undefined || digestOf(text) !== digest))
        found.set(key, { ledger, at, label, found: text });
    }
  }
  for await (const [key, extra] of withoutRecord(store, views)) found.set(key, extra);
  return found;
}

/** The entries that Redis shows and no ledger has. */
async function* withoutRecord(
  store: Store,
  views: ReadonlyMap<string, View>,
): AsyncGenerator<[string, Mismatch]> {
  const projects = new Set<string>();
  for (const { at } of views.values()) if (at.project !== undefined) projects.add(at.project);
  for await (const page of eachPageOfProjects(store)) {
    for (const document of page) {
      const { project } = document;
      projects.add(project);
      const ledger = 'billing.projects';
      const key = `${ledger} ${project}`;
      if (!views.has(key))
        yield [key, { ledger, at: { project }, label: null, found: JSON.stringify(document) }];
    }
  }
  const latest =
    [...views.keys()]
      .filter((key) => key.startsWith('billing.closes '))
      .sort()
      .at(-1) ?? '';
  for (const [month, json] of await readCloses(store)) {
    const ledger = 'billing.closes';
    const key = `${ledger} ${month}`;
    // A close agrees on its record in Redis before it publishes it, and months are closed in order.
    if (!views.has(key) && key < latest) yield [key, { ledger, at: { month }, label: null, found: json }];
  }
  const all = [...projects];
  for (let from = 0; from < all.length; from += READ_AT_ONCE) {
    const some = all.slice(from, from + READ_AT_ONCE);
    const entries = await store.send(some.map((project) => ['hkeys', store.keys.invoices(project)]));
    for (const [i, project] of some.entries()) {
      for (const entry of entries[i] as string[]) {
        const ledger = 'billing.invoices';
        const key = `${ledger} ${project}-${entry}`;
        if (views.has(key)) continue;
        const found = await readInvoice(store, project, entry);
        if (found !== undefined)
          yield [key, { ledger, at: { project, month: monthOf(entry) }, label: null, found }];
      }
    }
  }
}

/** @param key checked by the ledger's reader: the project, the month or the invoice's id */
function viewOf(ledger: View['ledger'], key: string, json: string): View {
  const label = labelOf(json);
  switch (ledger) {
    case 'billing.projects': {
      // Redis holds the document as it was parsed, not as it was written.
      const digest = digestOf(JSON.stringify(parseCopy('project.v1.json', json, `project ${key}`)));
      const read = async (store: Store): Promise<string | undefined> => {
        const shown = await readProject(store, key);
        return shown === undefined ? undefined : JSON.stringify(shown);
      };
      return { ledger, at: { project: key }, digest, label, read };
    }
    case 'billing.closes': {
      const read = async (store: Store): Promise<string | undefined> => (await readCloses(store)).get(key);
      return { ledger, at: { month: key }, digest: digestOf(json), label, read };
    }
    case 'billing.invoices': {
      const { project, entry } = parseInvoiceId(key)!;
      const read = (store: Store): Promise<string | undefined> => readInvoice(store, project, entry);
      return { ledger, at: { project, month: entry.slice(0, 7) }, digest: digestOf(json), label, read };
    }
  }
}

/** An invoice by its total, anything else by the beginning of its digest. */
function labelOf(json: string): string {
  let total: unknown;
  try {
    ({ total } = parseCopy('invoice.v1.json', json, 'a document'));
  } catch {
    return 'not JSON';
  }
  const digest = `sha256 ${digestOf(json).slice(0, 12)}`;
  return typeof total === 'string' ? `total ${total}, ${digest}` : digest;
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
