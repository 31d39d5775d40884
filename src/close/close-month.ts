import type { Catalog } from '../billing/catalog/catalog';
import type { Seller } from '../billing/invoice/invoice';
import type { Logger } from '../lib/logger';
import { createProgress } from '../lib/progress';
import type { BillingCalendar } from '../rating/billing-calendar';
import type { KafkaClient } from '../kafka/client';
import { appendLedger } from '../kafka/ledger/ledger';
import type { Publisher } from '../kafka/producer';
import { openTransactions } from '../kafka/topics/open-transactions';
import { topicName, usageTopics } from '../kafka/topics/topics';
import { forgetIds } from '../redis/apply/forget-ids';
import { traced } from '../lib/tracing';
import { readShardCount } from '../redis/usage/read-usage';
import { checkRebuilt } from '../redis/rebuilding';
import type { Store } from '../redis/store';
import { waitForCursors } from '../ingest/wait-for-cursors';
import { settleProjects } from '../installation/ledgers/change-projects';
import { checkCursors, type CheckedCursors } from '../ingest/guards/check-cursors';
import type { CloseRecord } from '../../schemas/types';
import { countDeadLetters, type DeadLetterCount } from '../dead-letters/dead-letters-of-month';
import { followLedgers } from '../installation/ledgers/follow-ledger';
import { checkLedgerEnds, ENDS_TO_BILL_BY } from '../installation/ledgers/ledger-ends';
import { freezeMonth } from './freeze-month';
import { monthsWithFrozenTotals, publishFrozenTotals } from './frozen-totals';
import { heldBesides, holdDiffering, type Difference } from './held/hold-differing';
import { checkRedisIsWhole, holdDamagedProjects } from './held/hold-damaged';
import { issueInvoices, type InvoiceReport } from './issue-invoices';
import { checkWhole } from './guards/check-whole';

export interface CloseDependencies {
  readonly kafka: KafkaClient;
  readonly store: Store;
  /** For the ledgers of closes and invoices. One close at a time holds it (see close-fence.ts). */
  readonly publisher: Publisher;
  /** For the frozen totals, which are the same whoever publishes them. */
  readonly totalsPublisher: Publisher;
  readonly prefix: string;
  readonly calendar: BillingCalendar;
  readonly catalog: Catalog;
  readonly seller?: Seller | undefined;
  readonly logger: Logger;
  /** The close gives up if no cursor moves for this long while it waits for the consumers. */
  readonly stallMs: number;
  /**
   * Recounts the frozen month with other code: project -> how Redis differs. Absent without
   * `--verify`.
   */
  readonly recount?: ((month: string) => Promise<ReadonlyMap<string, readonly Difference[]>>) | undefined;
}

export interface CloseReport extends InvoiceReport {
  readonly month: string;
  readonly closedAt: string;
  readonly dryRun: boolean;
  /** Dead letters of records published in the month, which nobody is charged for. */
  readonly deadLetters: DeadLetterCount;
}

/**
 * Closes a month that may be closed (see `checkMayClose`). Every step may be repeated, so a close
 * that was killed can be run again and ends the same.
 *
 * @param nowMs the date of the close, unless the month was closed before
 */
export async function closeMonth(
  dependencies: CloseDependencies,
  month: string,
  nowMs: number,
): Promise<CloseReport> {
  const { kafka, store, publisher, totalsPublisher, prefix, calendar, catalog, seller, logger } =
    dependencies;
  const checked = await waitForConsumers(dependencies, month);
  // During a rebuild, cursors reach the barrier before everything is restored.
  const generation = await checkRebuilt(store);
  await checkRedisIsWhole(store, checked.layout.shards);

  // Invoices are made from these views, and numbers are counted from them. The ledger does not
  // change, because no other close can publish. The rollback guard opens afterwards, and shows
  // whether Redis goes back from then on.
  const { projects, closes, invoices } = followLedgers(kafka, store, prefix);
  const views = [projects, closes, invoices];
  for (const view of views) {
    const missing = await view.catchUp();
    if (missing > 0) logger.warn({ month, missing }, 'restored records that only the ledger had');
  }
  await checkLedgerEnds(kafka, store, prefix, ENDS_TO_BILL_BY);
  const { record, guard } = await traced('close.freeze', { month }, () =>
    freezeMonth(dependencies, month, checked.topicIds, nowMs),
  );
  await closes.catchUp();
  // The month is closed from here on, so its plans, taxes and credits do not change any more.
  await settleProjects(kafka, prefix, projects);
  const mayPublish = (): Promise<void> =>
    checkWhole({ kafka, store, month, checked, generation, guard, views });
  await mayPublish();

  const isFirstRun = !record.completed && !record.issued;
  const damaged = await holdDamagedProjects(store, checked.layout.shards, month);
  const differing = await dependencies.recount?.(month);
  // Every rebuild would restore wrong totals from the ledger.
  const isRight = damaged.projects.size === 0 && (differing?.size ?? 0) === 0;
  if (!record.completed && isRight) {
    const isPublished = !isFirstRun && (await monthsWithFrozenTotals(kafka, prefix)).has(month);
    if (!isPublished)
      await publishFrozenTotals({ store, publisher: totalsPublisher, prefix }, month, mayPublish);
  }
  const progress = createProgress(`close ${month}: invoices`);
  const report = await traced('close.invoices', { month }, () =>
    issueInvoices({
      ...{ store, calendar, catalog, seller, month, progress },
      // An invoice that is completed later has a later date, because a project's dates rise with
      // its numbers.
      issuedAt: isFirstRun ? record.closedAt : new Date(nowMs).toISOString(),
      holds: [damaged.hold, ...(differing === undefined ? [] : [holdDiffering(differing, month)])],
      ledger: { publisher, topic: topicName(prefix, 'billing.invoices'), mayPublish },
    }),
  );
  progress.end();
  await mayPublish();
  await guard.remove();
  await invoices.catchUp();
  const heldAlready = new Set(report.held.map(({ project }) => project));
  for (const one of damaged.projects.values()) if (!heldAlready.has(one.project)) report.held.push(one);
  if (differing !== undefined) report.held.push(...heldBesides(report.held, differing, month));
  await noteIssued(dependencies, record, report);
  await closes.catchUp();
  await noteLedgerEnds(dependencies);

  for (let shard = 0; shard < checked.layout.shards; shard += 1) await forgetIds(store, shard);
  const deadLetters = await deadLettersOf(dependencies, month);
  return { month, closedAt: record.closedAt, dryRun: false, ...report, deadLetters };
}

/** The barrier of a close: everything that was published before now counts as in time. */
async function waitForConsumers(
  { kafka, store, prefix, stallMs, logger }: CloseDependencies,
  month: string,
): Promise<CheckedCursors> {
  const waiting = createProgress(`close ${month}: waiting for the consumers`);
  const checked = await checkCursors(kafka, store, prefix, usageTopics(prefix));
  await traced('close.wait', { month }, () =>
    waitForCursors(store, {
      shardCount: checked.layout.shards,
      ends: checked.ends,
      stallMs,
      // A broker that restarts is waited for: while it is away no cursor moves, and the stall has
      // its limit.
      findOpen: () =>
        openTransactions(kafka, usageTopics(prefix)).catch((error: unknown) => {
          logger.debug({ err: error, month }, 'could not ask for open transactions');
          return [];
        }),
      progress: waiting,
    }),
  );
  waiting.end();
  return checked;
}

/** The close does not need it. What fails here is found, or noted, by the next one. */
async function noteLedgerEnds({ kafka, store, prefix, logger }: CloseDependencies): Promise<void> {
  try {
    await checkLedgerEnds(kafka, store, prefix);
  } catch (error) {
    logger.warn({ err: error }, 'did not note where the ledgers end');
  }
}

/** Called last: until the record says so, every close of due months runs this one again. */
async function noteIssued(
  { publisher, prefix }: CloseDependencies,
  record: CloseRecord,
  { drafts, held }: InvoiceReport,
): Promise<void> {
  const { issued, completed, ...closed } = record;
  const isAll = drafts.length === 0 && held.length === 0;
  if (completed || (issued && !isAll)) return;
  const value = JSON.stringify({
    ...closed,
    ...(isAll ? { completed: true } : { issued: true }),
  } satisfies CloseRecord);
  await appendLedger(publisher, topicName(prefix, 'billing.closes'), [{ key: record.month, value }]);
}

/** What closing the month now would issue. It does not wait and does not write. */
export async function rehearseClose(
  dependencies: Omit<CloseDependencies, 'publisher' | 'totalsPublisher'>,
  month: string,
  nowMs: number,
): Promise<CloseReport> {
  const { store, calendar, catalog, seller } = dependencies;
  const issuedAt = new Date(nowMs).toISOString();
  const progress = createProgress(`close ${month}: rehearsal`);
  const { hold } = await holdDamagedProjects(store, await readShardCount(store), month);
  const terms = { store, calendar, catalog, seller, month, issuedAt, progress };
  const report = await issueInvoices({ ...terms, holds: [hold] });
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
