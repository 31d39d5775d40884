import { alertsDue, type DueAlert } from '../billing/quota/alerts-due';
import type { Catalog } from '../billing/catalog/catalog';
import { doForEach, orHeld } from '../close/held/held-projects';
import type { LedgerFollowers } from '../installation/ledgers/follow-ledger';
import { readInvoiceInputs } from '../close/invoice-inputs';
import type { BillingCalendar } from '../rating/billing-calendar';
import type { OnceLog } from '../kafka/ledger/append-once-topic';
import { readCloses } from '../redis/views/closes';
import { readCursors } from '../redis/cursors';
import { readInvoicedBefore } from '../redis/views/invoices';
import { eachPageOfProjectsIn, readShardCount, type PlacedProject } from '../redis/usage/read-usage';
import { checkRebuilt } from '../redis/rebuilding';
import type { Store } from '../redis/store';

export interface AlertSources {
  readonly store: Store;
  readonly catalog: Catalog;
  readonly calendar: BillingCalendar;
  readonly log: OnceLog;
  readonly views: LedgerFollowers;
}

/** What a pass knows of the pass before: shard -> its cursors then. */
export type SeenShards = ReadonlyMap<number, string>;

export interface AlertPass {
  /** Those that this pass sent. */
  readonly sent: readonly DueAlert[];
  readonly seen: SeenShards;
}

/**
 * Looks once at every project whose shard has moved since `seen`, and sends what is due and was never sent.
 *
 * A shard's cursors move with every event that it counts, in the same step; where they stand still, so do the totals.
 * They are read first: what is counted during the pass is met by the next one.
 *
 * @param seen of the pass before; an empty map for all projects, which also finds what a new plan or budget changes
 */
export async function alertPass(sources: AlertSources, nowMs: number, seen: SeenShards): Promise<AlertPass> {
  const { store, log } = sources;
  await Promise.all(
    [sources.views.projects, sources.views.closes, sources.views.invoices].map((view) => view.catchUp()),
  );
  const generation = await checkRebuilt(store);
  const now: Map<number, string> = new Map();
  for (let shard = 0; shard < (await readShardCount(store)); shard += 1) {
    now.set(shard, JSON.stringify([...(await readCursors(store, shard))].sort()));
  }
  const moved = [...now].filter(([shard, cursors]) => seen.get(shard) !== cursors).map(([shard]) => shard);
  const at = new Date(nowMs).toISOString();
  const sent: DueAlert[] = [];
  for (const month of await openMonths(sources, nowMs)) {
    for (const shard of moved) {
      for await (const page of eachPageOfProjectsIn(store, shard, month)) {
        const due = (await dueOf(sources, month, at, page)).filter(({ id }) => !log.has(id));
        // What was read of a Redis that was emptied meanwhile says nothing.
        if (due.length > 0 && (await checkRebuilt(store)) !== generation) return { sent, seen };
        await log.append(due.map((alert) => ({ key: alert.id, value: JSON.stringify({ ...alert, at }) })));
        sent.push(...due);
      }
    }
  }
  return { sent, seen: now };
}

/** This month, and the one before until it is closed. */
export async function openMonths(
  { store, calendar }: Pick<AlertSources, 'store' | 'calendar'>,
  nowMs: number,
): Promise<string[]> {
  const closed = await readCloses(store);
  const month = calendar.monthOfMs(nowMs);
  return [calendar.previousMonth(month), month].filter((one) => !closed.has(one));
}

async function dueOf(
  { store, catalog, calendar }: AlertSources,
  month: string,
  issuedAt: string,
  page: readonly PlacedProject[],
): Promise<DueAlert[]> {
  const terms = { store, catalog, calendar, month, issuedAt };
  // One project that cannot be priced is told by the close; the others have their alerts.
  const { done } = await doForEach(page, month, async (some) => {
    const names = some.map(({ project }) => project);
    const before = await readInvoicedBefore(store, month, names);
    const billables = some.map((placed, i) => ({ ...placed, number: null, before: before[i]! }));
    return readInvoiceInputs(terms, billables, 'moving');
  });
  return done.flatMap((input) => {
    const due = orHeld(input.project, month, () => alertsDue(input));
    return Array.isArray(due) ? due : [];
  });
}
