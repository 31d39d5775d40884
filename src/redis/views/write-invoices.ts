import { parseInvoiceId } from '../../billing/invoice/invoice-id';
import { monthOf } from '../../rating/month';
import type { Command, Store } from '../store';
import type { LedgerRecord } from './ledger-view';

export interface ShownInvoice {
  readonly project: string;
  /** The month of an invoice, or a month's `creditNoteEntry`. */
  readonly entry: string;
  /** As published, byte for byte; null if it was withdrawn. */
  readonly json: string | null;
}

/**
 * Shows documents of the invoice ledger. Repeatable.
 *
 * @returns how many Redis did not show before
 */
export async function writeInvoices(store: Store, documents: readonly ShownInvoice[]): Promise<number> {
  const projects = new Map<string, Set<string>>();
  for (const { project, entry, json } of documents) {
    const month = monthOf(entry);
    if (json !== null) projects.set(month, (projects.get(month) ?? new Set()).add(project));
  }
  const answers = await store.send([
    ...[...projects].map(([month, names]): Command => ['sadd', store.keys.invoiced(month), ...names]),
    ...documents.map(({ project, entry, json }): Command => {
      const key = store.keys.invoices(project);
      return json === null ? ['hdel', key, entry] : ['hset', key, entry, json];
    }),
  ]);
  const ofDocuments = answers.slice(projects.size) as number[];
  return ofDocuments.reduce((sum, added, i) => sum + (documents[i]!.json === null ? 0 : added), 0);
}

/** The document of a record; none if its key is not that of a document. */
export function shownOf({ key, value }: LedgerRecord): ShownInvoice[] {
  const id = parseInvoiceId(key);
  return id === undefined ? [] : [{ project: id.project, entry: id.entry, json: value }];
}
