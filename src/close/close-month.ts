import type { Catalog } from '../billing/catalog';
import type { Seller } from '../billing/invoice';
import type { Log } from '../log';
import { createProgress } from '../progress';
import type { BillingCalendar } from '../rating/billing-calendar';
import type { KafkaClient } from '../stream/kafka';
import { appendLedger, readLedgerPages } from '../stream/ledger';
import type { Publisher } from '../stream/producer';
import { topicName, usageTopics } from '../stream/topics';
import { writeClose } from '../totals/closes';
import { forgetIds } from '../totals/ids';
import { areInvoiced, writeInvoices } from '../totals/invoices';
import { traced } from '../tracing';
import { readShardCount } from '../totals/read';
import type { Store } from '../totals/store';
import { waitForCursors } from './barrier';
import { checkCursors } from './check-cursors';
import type { CloseRecord } from './close-record';
import { countDeadLetters, type DeadLetterCount } from './dead-letters-of-month';
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

  const { record, seal, wasPublished } = await traced('close.freeze', { month }, () =>
    freezeMonth(dependencies, month, topicIds, nowMs),
  );

  if (!record.completed) await publishFrozenTotals(dependencies, month, () => seal.check());
  const invoicesTopic = topicName(prefix, 'billing.invoices');
  // A run that was killed between the ledger and Redis has issued invoices that Redis does not show yet.
  if (wasPublished) await restoreInvoices(dependencies, invoicesTopic, month);
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

  if (report.drafts.length === 0 && !record.completed) {
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

/** So many invoices of the ledger are looked for in Redis at a time. */
const RESTORE_PAGE = 500;

/** Shows in Redis what only the ledger has. Its last record of an invoice holds, as for whoever else reads it. */
async function restoreInvoices(
  { kafka, store, log }: CloseDependencies,
  topic: string,
  month: string,
): Promise<void> {
  const progress = createProgress(`close ${month}: reading the invoice ledger`);
  const suffix = `-${month}`; // An invoice's id, its key in the ledger, is <project>-<month>.
  const restored = new Set<string>();
  let read = 0;
  for await (const records of readLedgerPages(kafka, topic)) {
    const invoices = records.flatMap(({ key, value }) =>
      value !== null && key.endsWith(suffix) ? [{ project: key.slice(0, -suffix.length), json: value }] : [],
    );
    for (let from = 0; from < invoices.length; from += RESTORE_PAGE) {
      const page = invoices.slice(from, from + RESTORE_PAGE);
      const shown = await areInvoiced(
        store,
        month,
        page.map(({ project }) => project),
      );
      const missing = page.filter(({ project }, i) => !shown[i] || restored.has(project));
      await writeInvoices(store, month, missing);
      for (const { project } of missing) {
        if (!restored.has(project))
          log.warn({ project, month }, 'restored an invoice that Redis did not show');
        restored.add(project);
      }
    }
    progress.update((read += records.length));
  }
  progress.end();
}
