import { alertsDue, type DueAlert } from '../billing/quota/alerts-due';
import type { Catalog } from '../billing/catalog/catalog';
import { doForEach, orHeld } from '../close/held/held-projects';
import type { LedgerFollowers } from '../installation/ledgers/follow-ledger';
import { readInvoiceInputs } from '../close/invoice-inputs';
import type { BillingCalendar } from '../rating/billing-calendar';
import type { AppendOnceTopic } from '../kafka/ledger/append-once-topic';
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
  readonly log: AppendOnceTopic;
  readonly views: LedgerFollowers;
}

/** The result of the previous pass: shard -> its cursors then. */
export type SeenShards = ReadonlyMap<number, string>;

export interface AlertPass {
  /** The alerts that this pass sent. */
  readonly sent: readonly DueAlert[];
  readonly seen: SeenShards;
}

/**
 * Checks every project whose shard has moved since `seen`, and sends the alerts that are due and
 * were never sent.
 *
 * A shard's cursors move in the same step as its totals, so if the cursors have not moved, the
 * totals have not changed. The cursors are read first, so that the next pass finds what is counted
 * during this one.
 *
 * @param seen from the previous pass; an empty map checks all projects, which also finds the
 *   effects of new plans and budgets
 */
export async function sendAlerts(sources: AlertSources, nowMs: number, seen: SeenShards): Promise<AlertPass> {
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
        // If Redis was emptied meanwhile, what was read is useless.
        if (due.length > 0 && (await checkRebuilt(store)) !== generation) return { sent, seen };
        await log.append(due.map((alert) => ({ key: alert.id, value: JSON.stringify({ ...alert, at }) })));
        sent.push(...due);
      }
    }
  }
  return { sent, seen: now };
}

/** The current month, and the previous one until it is closed. */
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
  // The close reports a project that cannot be priced. The other projects get their alerts.
  const { done } = await doForEach(page, month, async (some) => {
    const names = some.map(({ project }) => project);
    const before = await readInvoicedBefore(store, month, names);
    const billables = some.map((placed, i) => ({ ...placed, number: null, before: before[i]! }));
    return readInvoiceInputs(terms, billables);
  });
  return done.flatMap((input) => {
    const due = orHeld(input.project, month, () => alertsDue(input));
    return Array.isArray(due) ? due : [];
  });
}
