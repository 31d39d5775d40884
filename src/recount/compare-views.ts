import { createHash } from 'node:crypto';
import type { Invoice } from '../billing/invoice';
import { parseInvoiceId } from '../billing/invoice-id';
import type { ProjectDocument } from '../billing/project';
import type { KafkaClient } from '../stream/kafka';
import { readLedger } from '../stream/ledger';
import { topicName } from '../stream/topics';
import { readCloses } from '../totals/closes';
import { readInvoice } from '../totals/invoices';
import { readProject } from '../totals/projects';
import type { Store } from '../totals/store';
import type { Difference } from './difference';

/** Ledgers are written before Redis: what is being written right now is looked at again after so long. */
const SECOND_LOOK_MS = 1_000;
const READ_AT_ONCE = 200;

export interface ViewComparison {
  readonly client: KafkaClient;
  readonly store: Store;
  readonly prefix: string;
  onDifference(difference: Difference): void;
}

/** One record of a ledger and where Redis shows it. Only a digest is held: a ledger may hold years. */
interface View {
  readonly ledger: 'billing.projects' | 'billing.closes' | 'billing.invoices';
  readonly at: Pick<Difference, 'month' | 'project'>;
  readonly digest: string;
  /** What a person is told of it. */
  readonly label: string;
  read(store: Store): Promise<string | undefined>;
}

/** Compares Redis's views of the ledgers with the ledgers: plans, closes and invoices, each byte for byte. */
export async function compareViews(comparison: ViewComparison): Promise<void> {
  const first = await mismatches(comparison);
  if (first.size === 0) return;
  await new Promise((resolve) => setTimeout(resolve, SECOND_LOOK_MS));
  for (const [key, { view, found }] of await mismatches(comparison)) {
    if (!first.has(key)) continue;
    const difference = { kind: 'view', ...view.at, field: view.ledger, expected: view.label } as const;
    comparison.onDifference({ ...difference, found: found === undefined ? null : labelOf(found) });
  }
}

async function mismatches({
  client,
  store,
  prefix,
}: ViewComparison): Promise<Map<string, { view: View; found: string | undefined }>> {
  const views = new Map<string, View>();
  for (const ledger of ['billing.projects', 'billing.closes', 'billing.invoices'] as const) {
    await readLedger(client, topicName(prefix, ledger), (key, json) => {
      if (json === null) views.delete(`${ledger} ${key}`);
      else views.set(`${ledger} ${key}`, viewOf(ledger, json));
    });
  }
  const found = new Map<string, { view: View; found: string | undefined }>();
  const all = [...views];
  for (let from = 0; from < all.length; from += READ_AT_ONCE) {
    const some = all.slice(from, from + READ_AT_ONCE);
    const shown = await Promise.all(some.map(([, view]) => view.read(store)));
    for (const [i, [key, view]] of some.entries()) {
      const text = shown[i];
      if (text === undefined || digestOf(text) !== view.digest) found.set(key, { view, found: text });
    }
  }
  return found;
}

function viewOf(ledger: View['ledger'], json: string): View {
  const label = labelOf(json);
  switch (ledger) {
    case 'billing.projects': {
      // Redis holds the document as it was read, not as it was written.
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
    return 'no JSON';
  }
  const digest = `sha256 ${digestOf(json).slice(0, 12)}`;
  return typeof total === 'string' ? `total ${total}, ${digest}` : digest;
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');
