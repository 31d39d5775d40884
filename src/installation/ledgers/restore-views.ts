import type { KafkaClient } from '../../kafka/client';
import { readCloses } from '../../redis/views/closes';
import { invoicesView } from '../../redis/views/invoices';
import { closesView, projectsView } from '../../redis/views/ledger-view';
import { countSetProjects } from '../../redis/views/projects';
import type { Store } from '../../redis/store';
import { followLedger } from './follow-ledger';
import { forgetLedgerEnds } from './ledger-ends';

/** How many of each Redis shows now. For invoices, how many it did not show before. */
export interface RestoredViews {
  readonly projects: number;
  readonly closes: number;
  readonly invoices: number;
}

/** Takes the ledgers as they are, and shows them again from their start. Repeatable. */
export async function restoreViews(
  client: KafkaClient,
  store: Store,
  prefix: string,
): Promise<RestoredViews> {
  const showAnew = async (view: ReturnType<typeof closesView>): Promise<number> => {
    await view.forget(); // A view may lack something before its position.
    return followLedger(client, view, prefix).catchUp();
  };
  await forgetLedgerEnds(store, prefix);
  await showAnew(projectsView(store));
  await showAnew(closesView(store));
  const invoices = await showAnew(invoicesView(store));
  return { projects: await countSetProjects(store), closes: (await readCloses(store)).size, invoices };
}
