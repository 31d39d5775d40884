import type { Catalog } from '../billing/catalog';
import type { Seller } from '../billing/invoice';
import type { Invoice } from '../billing/invoice';
import type { Log } from '../log';
import { createProgress } from '../progress';
import type { BillingCalendar } from '../rating/billing-calendar';
import type { KafkaClient } from '../stream/kafka';
import { appendLedger, readLedger } from '../stream/ledger';
import type { Publisher } from '../stream/producer';
import { topicName, usageTopics } from '../stream/topics';
import { agreeOnClose, readCloses } from '../totals/closes';
import { freeze } from '../totals/freeze';
import { forgetIds } from '../totals/ids';
import { readInvoice, writeInvoice } from '../totals/invoices';
import { readShardCount } from '../totals/read';
import type { Store } from '../totals/store';
import { waitForCursors } from './barrier';
import { checkCursors } from './check-cursors';
import type { CloseRecord } from './close-record';
import { issueInvoices, type InvoiceReport } from './issue-invoices';

export interface CloseDependencies {
  readonly kafka: KafkaClient;
  readonly store: Store;
  readonly publisher: Publisher;
  readonly prefix: string;
  readonly calendar: BillingCalendar;
  readonly catalog: Catalog;
  readonly seller?: Seller | undefined;
  readonly log: Log;
  /** Gives up when no cursor moves for so long while the close waits for the consumers. */
  readonly stallMs: number;
}

export interface CloseReport extends InvoiceReport {
  readonly month: string;
  readonly closedAt: string;
  readonly dryRun: boolean;
}

/**
 * Closes a month that may be closed (see `checkMayClose`). Every step may be repeated: killed at any point it is run
 * again and ends the same.
 *
 * @param nowMs becomes the close's date, unless the month was closed before
 */
export async function closeMonth(
  dependencies: CloseDependencies,
  month: string,
  nowMs: number,
): Promise<CloseReport> {
  const { kafka, store, publisher, prefix, calendar, catalog, seller } = dependencies;

  // Barrier: what was published before now is counted as in time, whatever the consumers had still to do.
  const waiting = createProgress(`close ${month}: waiting for the consumers`);
  const { ends, topicIds } = await checkCursors(kafka, store, prefix, usageTopics(prefix));
  await waitForCursors(store, ends, dependencies.stallMs, waiting);
  waiting.end();

  const cursors: Record<string, Record<string, number>> = {};
  const shardCount = await readShardCount(store);
  for (let shard = 0; shard < shardCount; shard += 1) {
    cursors[shard] = Object.fromEntries(await freeze(store, shard, month));
  }

  const closesTopic = topicName(prefix, 'billing.closes');
  const invoicesTopic = topicName(prefix, 'billing.invoices');
  const repeated = (await readCloses(store)).has(month);
  const proposed: CloseRecord = {
    month,
    closedAt: new Date(nowMs).toISOString(),
    cursors,
    topicIds: Object.fromEntries(topicIds),
  };
  const agreed = await agreeOnClose(store, month, JSON.stringify(proposed));
  const { closedAt } = JSON.parse(agreed) as CloseRecord;
  await appendLedger(publisher, closesTopic, [{ key: month, value: agreed }]);

  // A run that was killed between the ledger and Redis has issued invoices that Redis does not show yet.
  if (repeated) await restoreInvoices(dependencies, invoicesTopic, month);
  const progress = createProgress(`close ${month}: invoices`);
  const report = await issueInvoices({
    store,
    calendar,
    catalog,
    seller,
    month,
    issuedAt: closedAt,
    progress,
    ledger: { publisher, topic: invoicesTopic },
  });
  progress.end();

  for (let shard = 0; shard < shardCount; shard += 1) await forgetIds(store, shard);
  return { month, closedAt, dryRun: false, ...report };
}

/** What closing the month now would issue. Waits for nothing and writes nothing. */
export async function rehearseClose(
  { store, calendar, catalog, seller }: Pick<CloseDependencies, 'store' | 'calendar' | 'catalog' | 'seller'>,
  month: string,
  nowMs: number,
): Promise<CloseReport> {
  const issuedAt = new Date(nowMs).toISOString();
  const progress = createProgress(`close ${month}: rehearsal`);
  const report = await issueInvoices({ store, calendar, catalog, seller, month, issuedAt, progress });
  progress.end();
  return { month, closedAt: issuedAt, dryRun: true, ...report };
}

async function restoreInvoices(
  { kafka, store, log }: CloseDependencies,
  topic: string,
  month: string,
): Promise<void> {
  const found = new Map<string, { project: string; json: string }>();
  await readLedger(kafka, topic, (id, value) => {
    if (value === null || !id.endsWith(`-${month}`)) return;
    const invoice = JSON.parse(value) as Invoice;
    if (invoice.month === month) found.set(id, { project: invoice.project, json: value });
  });
  for (const [id, { project, json }] of found) {
    if ((await readInvoice(store, project, month)) !== undefined) continue;
    await writeInvoice(store, project, month, json);
    log.warn({ invoice: id }, 'restored an invoice that Redis did not show');
  }
}
