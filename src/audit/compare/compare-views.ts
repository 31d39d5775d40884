import { createHash } from 'node:crypto';
import type { Invoice } from '../../billing/invoice/invoice';
import { parseInvoiceId } from '../../billing/invoice/invoice-id';
import type { ProjectDocument } from '../../billing/project/project';
import type { CloseRecord } from '../../redis/views/close-record';
import type { KafkaClient } from '../../kafka/client';
import { readLedger } from '../../kafka/ledger/ledger';
import { topicName } from '../../kafka/topics/topics';
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
    await new Promise((resolve) => setTimeout(resolve, waitMs));
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
  for (const ledger of ['billing.projects', 'billing.closes', 'billing.invoices'] as const) {
    await readLedger(client, topicName(prefix, ledger), (key, json) => {
      if (json === null) views.delete(`${ledger} ${key}`);
      else views.set(`${ledger} ${key}`, viewOf(ledger, json));
      if (ledger === 'billing.invoices') numbers.set(key, json);
      if (ledger !== 'billing.closes') return;
      if (json === null || (JSON.parse(json) as CloseRecord).completed) unfinished.delete(key);
      else unfinished.add(key);
    });
  }
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

function viewOf(ledger: View['ledger'], json: string): View {
  const label = labelOf(json);
  switch (ledger) {
    case 'billing.projects': {
      // Redis holds the document as it was parsed, not as it was written.
      const document = JSON.parse(json) as ProjectDocument;
      const { project } = document;
      const digest = digestOf(JSON.stringify(document));
      const read = async (store: Store): Promise<string | undefined> => {
        const shown = await readProject(store, project);
        return shown === undefined ? undefined : JSON.stringify(shown);
      };
      return { ledger, at: { project }, digest, label, read };
    }
    case 'billing.closes': {
      const { month } = JSON.parse(json) as { month: string };
      const read = async (store: Store): Promise<string | undefined> => (await readCloses(store)).get(month);
      return { ledger, at: { month }, digest: digestOf(json), label, read };
    }
    case 'billing.invoices': {
      const { id, project, month } = JSON.parse(json) as Invoice;
      const { entry } = parseInvoiceId(id)!;
      const read = (store: Store): Promise<string | undefined> => readInvoice(store, project, entry);
      return { ledger, at: { project, month }, digest: digestOf(json), label, read };
    }
  }
}

/** An invoice by its total, anything else by the beginning of its digest. */
function labelOf(json: string): string {
  let total: unknown;
  try {
    total = (JSON.parse(json) as { total?: unknown }).total;
  } catch {
    return 'not JSON';
  }
  const digest = `sha256 ${digestOf(json).slice(0, 12)}`;
  return typeof total === 'string' ? `total ${total}, ${digest}` : digest;
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
