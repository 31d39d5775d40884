import type { Catalog } from '../billing/catalog';
import type { Seller } from '../billing/invoice';
import type { Log } from '../log';
import { createProgress } from '../progress';
import type { BillingCalendar } from '../rating/billing-calendar';
import type { KafkaClient } from '../stream/kafka';
import { TallymanError } from '../errors';
import { appendLedger } from '../stream/ledger';
import type { Publisher } from '../stream/producer';
import { topicName, usageTopics } from '../stream/topics';
import { writeClose } from '../totals/closes';
import { forgetIds } from '../totals/ids';
import { traced } from '../tracing';
import { readShardCount } from '../totals/read';
import type { Store } from '../totals/store';
import { waitForCursors } from './barrier';
import { checkCursors } from './check-cursors';
import type { CloseRecord } from './close-record';
import { countDeadLetters, type DeadLetterCount } from './dead-letters-of-month';
import { followLedgers } from './follow-ledger';
import { freezeMonth } from './freeze-month';
import { publishFrozenTotals } from './frozen-totals';
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
  /** Of records published in the month, which nobody is charged for. */
  readonly deadLetters: DeadLetterCount;
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
  await traced('close.wait', { month }, () => waitForCursors(store, ends, dependencies.stallMs, waiting));
  waiting.end();

  // Numbers are counted from what Redis shows. Before the seal: from then on a Redis that goes back is noticed.
  const shown = followLedgers(kafka, store, prefix).invoices;
  const missing = await shown.catchUp();
  if (missing > 0) dependencies.log.warn({ month, missing }, 'showed invoices that only the ledger had');
  const { record, seal } = await traced('close.freeze', { month }, () =>
    freezeMonth(dependencies, month, topicIds, nowMs),
  );
  if (!(await shown.holds())) {
    throw new TallymanError(
      'REDIS_WENT_BACK',
      `Redis lost invoices while the close of ${month} began: run it again, it shows them again.`,
      { month },
    );
  }

  if (!record.completed) await publishFrozenTotals(dependencies, month, () => seal.check());
  const invoicesTopic = topicName(prefix, 'billing.invoices');
  const progress = createProgress(`close ${month}: invoices`);
  const report = await traced('close.invoices', { month }, () =>
    issueInvoices({
      store,
      calendar,
      catalog,
      seller,
      month,
      issuedAt: record.closedAt,
      progress,
      ledger: { publisher, topic: invoicesTopic, mayPublish: () => seal.check() },
    }),
  );
  progress.end();
  await seal.check();
  await seal.remove();
  await shown.catchUp();

  if (report.drafts.length === 0 && report.held.length === 0 && !record.completed) {
    // Only now: until it says so, every close of due months takes this one up again.
    const completed = JSON.stringify({ ...record, completed: true } satisfies CloseRecord);
    await appendLedger(publisher, topicName(prefix, 'billing.closes'), [{ key: month, value: completed }]);
    await writeClose(store, month, completed);
  }

  const shardCount = await readShardCount(store);
  for (let shard = 0; shard < shardCount; shard += 1) await forgetIds(store, shard);
  const deadLetters = await deadLettersOf(dependencies, month);
  return { month, closedAt: record.closedAt, dryRun: false, ...report, deadLetters };
}

/** What closing the month now would issue. Waits for nothing and writes nothing. */
export async function rehearseClose(
  dependencies: Omit<CloseDependencies, 'publisher'>,
  month: string,
  nowMs: number,
): Promise<CloseReport> {
  const { store, calendar, catalog, seller } = dependencies;
  const issuedAt = new Date(nowMs).toISOString();
  const progress = createProgress(`close ${month}: rehearsal`);
  const report = await issueInvoices({ store, calendar, catalog, seller, month, issuedAt, progress });
  progress.end();
  const deadLetters = await deadLettersOf(dependencies, month);
  return { month, closedAt: issuedAt, dryRun: true, ...report, deadLetters };
}

function deadLettersOf(
  { kafka, prefix, calendar }: Pick<CloseDependencies, 'kafka' | 'prefix' | 'calendar'>,
  month: string,
): Promise<DeadLetterCount> {
  return countDeadLetters(kafka, prefix, calendar.monthStart(month), calendar.monthEnd(month));
}
