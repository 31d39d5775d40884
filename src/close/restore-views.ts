import type { ProjectDocument } from '../billing/project';
import type { KafkaClient } from '../stream/kafka';
import { readLedger } from '../stream/ledger';
import { topicName } from '../stream/topics';
import { writeClose } from '../totals/closes';
import { forgetInvoicesShown } from '../totals/invoices';
import { writeProject } from '../totals/projects';
import type { Store } from '../totals/store';
import { followInvoices } from './shown-invoices';

/** How many records of each ledger were written. */
export interface RestoredViews {
  readonly projects: number;
  readonly closes: number;
  readonly invoices: number;
}

/** Fills Redis's views of the ledgers: projects, closes and invoices, each as it was last published. Repeatable. */
export async function restoreViews(
  client: KafkaClient,
  store: Store,
  prefix: string,
): Promise<RestoredViews> {
  const ledger = async (name: string, write: (json: string) => Promise<void>): Promise<number> => {
    const latest = new Map<string, string>();
    await readLedger(client, topicName(prefix, name), (key, value) => {
      if (value === null) latest.delete(key);
      else latest.set(key, value);
    });
    for (const json of latest.values()) await write(json);
    return latest.size;
  };
  await forgetInvoicesShown(store); // Whatever was lost of them.
  const invoices = followInvoices(client, store, prefix, 'rebuild: invoices');
  return {
    projects: await ledger('billing.projects', (json) =>
      writeProject(store, JSON.parse(json) as ProjectDocument),
    ),
    closes: await ledger('billing.closes', (json) =>
      writeClose(store, (JSON.parse(json) as { month: string }).month, json),
    ),
    invoices: await invoices.catchUp(),
  };
}
