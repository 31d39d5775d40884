import { Command } from 'commander';
import { loadCatalog } from '../../../installation/catalog-file';
import { checkClocks } from '../../../close/guards/check-clocks';
import { checkCursors } from '../../../ingest/guards/check-cursors';
import { openCloseFence } from '../../../close/guards/close-fence';
import { closeMonth, rehearseClose, type CloseReport } from '../../../close/close-month';
import { readCloseState, withUnlistedMonths } from '../../../close/close-state';
import { checkCountingSettings, type CountingRecord } from '../../../installation/recorded-settings';
import { catchUpLedgers } from '../../../installation/ledgers/follow-ledger';
import {
  checkMayClose,
  checkNoneFrozenTooEarly,
  dueMonths,
  type CloseState,
} from '../../../close/due-months';
import { monthsFrozenTooEarly } from '../../../installation/ledgers/frozen-too-early';
import { restoreCloses, type CloseRecords } from '../../../installation/ledgers/restore-closes';
import { letMonthsLeave, monthsToLeave, type LeaveReport } from '../../../close/leave/leave-redis';
import { createProgress } from '../../../lib/progress';
import { roundingTable } from '../../../rating/rounding';
import { checkScratchSpace, recountMonth } from '../../../audit/second-count/recount-month';
import { loadSeller } from '../../../installation/seller-file';
import { createPublisher } from '../../../kafka/producer';
import { usageTopics } from '../../../kafka/topics/topics';
import { checkNothingDropped } from '../../../redis/checks/dropped-keys';
import { checkRebuilt } from '../../../redis/rebuilding';
import { monthArgument, durationOption, timeArgument } from '../../lib/arguments';
import type { Context } from '../../../installation/context';
import { everyOption, runEvery } from '../../run-every';
import { groupDigits, printable, printJson, printLine, printTable, toned } from '../../lib/output';

interface CloseOptions {
  readonly grace: number;
  readonly now?: number;
  readonly stall: number;
  readonly dryRun?: true;
  readonly verify?: true;
  readonly every?: number;
  readonly json?: true;
}

export function verb(): Command {
  return new Command('close')
    .description('Close a month: wait until all of it is counted, freeze its totals, and issue the invoices.')
    .argument('[month]', 'YYYY-MM; every month due by default', monthArgument)
    .addOption(durationOption('--grace <duration>', 'how long after its end a month may be closed', '1h'))
    .option(
      '--now <time>',
      'date the close by this time (ISO 8601); issues invoices unless --dry-run is given',
      timeArgument,
    )
    .addOption(
      durationOption('--stall <duration>', 'give up if the consumers make no progress for this long', '60s'),
    )
    .option('--dry-run', 'show what would be issued, and change nothing')
    .option('--verify', 'recount the month from the log before issuing, and hold the projects that differ')
    .addOption(everyOption().conflicts(['now', 'dryRun']))
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
One close runs at a time. A second one takes over, and the first one exits (CLOSE_FENCED). The clocks of this machine,
Kafka and Redis must agree, and the month must be over by all of them. --now dates the close. With --dry-run it also
rehearses a month that is not over.

Once a closed month is older than TALLYMAN_KEEP_CLOSED, a close also deletes its totals and days from Redis, after it has
compared them with billing.totals. They are read from there from then on. --dry-run names the months.

A close is safe to repeat, and to run again after it was killed. Without a month, it also continues an interrupted close,
and issues drafts and held projects whose problem is solved. Exits with 0 if it is done or nothing was due, 1 if it failed
or something is left, 3 if it was refused (the month is not over, or an earlier one is open).

Examples:
  tallyman close                  every month that is over and not closed, for cron
  tallyman close --verify --every 1h    the same without cron: runs until stopped
  tallyman close 2026-10 --grace 24h
  tallyman close 2026-11 --now 2026-12-01T02:00:00Z --dry-run`,
    )
    .action(async (month: string | undefined, options: CloseOptions) => {
      await runEvery(options.every, 'close', (context) => close(context, month, options));
    });
}

async function close(context: Context, month: string | undefined, options: CloseOptions): Promise<void> {
  const { config, calendar, logger } = context;
  if (options.verify) checkScratchSpace();
  const kafka = context.kafka();
  const store = await context.store();
  const { catalog } = loadCatalog(config.catalogPath);
  const seller = loadSeller(config.sellerPath);
  const counting = await checkCountingSettings(kafka, config);
  if (!options.dryRun) await checkClocks(kafka, store, config.prefix);
  const nowMs = options.now ?? Date.now();
  // A month that is not over by the real clock is closed in a rehearsal only.
  const overAtMs = options.dryRun ? nowMs : Math.min(nowMs, Date.now());
  await checkNothingDropped(store);
  await checkRebuilt(store);

  const dependencies = {
    ...{ kafka, store, prefix: config.prefix, calendar, catalog, seller, logger, stallMs: options.stall },
    recount: options.verify && recountOf(context, counting),
  };
  const reports: CloseReport[] = [];
  const note = (report: CloseReport): void => {
    reports.push(report);
    if (!options.json) printReport(report, catalog.currency, catalog.minorDigits);
  };
  const readState = async (records?: CloseRecords): Promise<CloseState> => {
    const state = await withUnlistedMonths(store, await readCloseState(store, calendar, overAtMs, records));
    const { frozenMonths } = state;
    const frozenTooEarly = await monthsFrozenTooEarly(kafka, store, config.prefix, calendar, frozenMonths);
    return { ...state, frozenTooEarly };
  };
  const clock = [overAtMs, options.grace, calendar] as const;
  const monthsDue = (state: CloseState): string[] => {
    if (month === undefined) return dueMonths(state, ...clock);
    checkMayClose(month, state, ...clock);
    return [month];
  };
  let state: CloseState;
  let left: LeaveReport[];
  const leaving = { ...dependencies, nowMs: overAtMs, keepMs: config.keepClosedMs };
  if (options.dryRun) {
    await catchUpLedgers(kafka, store, config.prefix);
    state = await readState();
    for (const due of monthsDue(state)) note(await rehearseClose(dependencies, due, nowMs));
    left = (await monthsToLeave(leaving)).map((one) => ({ month: one }));
  } else {
    // The fence comes before anything is read: from now on, another close cannot publish.
    const publisher = await openCloseFence(kafka, config.prefix);
    const totalsPublisher = await createPublisher(kafka);
    try {
      await checkCursors(kafka, store, config.prefix, usageTopics(config.prefix));
      const records = await restoreCloses(kafka, store, config.prefix, logger);
      state = await readState(records);
      for (const due of monthsDue(state))
        note(await closeMonth({ ...dependencies, publisher, totalsPublisher }, due, nowMs));
      left = await letMonthsLeave(leaving);
    } finally {
      await publisher.close();
      await totalsPublisher.close();
    }
  }
  if (options.json) printJson({ closes: reports.map(documentOf), left });
  else left.forEach((one) => printLeft(one, options.dryRun === true));
  // This is checked last, so that it does not keep a closed month from being finished.
  if (month === undefined) checkNoneFrozenTooEarly(state, ...clock);
  if (!options.json && reports.length === 0) printLine('No month is due.');
  // Cron reports it, because somebody has to act, or usage stays unpaid.
  const isPartDone = reports.some(({ drafts, held }) => drafts.length + held.length > 0);
  if ((!options.dryRun && isPartDone) || left.some(({ problem }) => problem !== undefined))
    process.exitCode = 1;
}

/** Counts the log with other code than the consumers: see src/audit/second-count. */
function recountOf(
  context: Context,
  counting: CountingRecord,
): (month: string) => ReturnType<typeof recountMonth> {
  const { config, calendar } = context;
  return async (month) => {
    const progress = createProgress(`close ${month}: recount`);
    const rating = { rounding: roundingTable(config.rounding), calendar, limits: config.limits };
    const client = context.kafka();
    const store = await context.store();
    const differing = await recountMonth({
      ...{ client, store, prefix: config.prefix, rating, counting, month, progress },
    });
    progress.end();
    return differing;
  };
}

function documentOf(report: CloseReport): unknown {
  const { totalMinor, creditNotes, late } = report;
  return {
    ...report,
    totalMinor: totalMinor.toString(),
    creditNotes: { issued: creditNotes.issued, totalMinor: creditNotes.totalMinor.toString() },
    late: { lines: late.lines, totalMinor: late.totalMinor.toString() },
  };
}

function printReport(report: CloseReport, currency: string, minorDigits: number): void {
  const { month, issued, alreadyIssued, nothingDue, drafts, held, overQuota } = report;
  const money = (minor: bigint): string => `${groupDigits(moneyText(minor, minorDigits))} ${currency}`;
  printLine(`${month} ${report.dryRun ? 'would be' : 'is'} closed: ${money(report.totalMinor)} due.`);
  printLine(
    `  ${issued} invoices issued, ${alreadyIssued} issued before, ${nothingDue} projects with nothing due.`,
  );
  if (report.creditNotes.issued > 0) {
    printLine(`  ${report.creditNotes.issued} credit notes issued: ${money(report.creditNotes.totalMinor)}.`);
  }
  if (report.late.lines > 0) {
    printLine(`  ${report.late.lines} lines of late usage on them: ${money(report.late.totalMinor)}.`);
  }
  if (drafts.length > 0) {
    printLine(toned('careful', `  ${drafts.length} invoices stay drafts: the catalog has no price for`));
    for (const { project, unpriced } of drafts.slice(0, SHOWN))
      printLine(`    ${project}: ${unpriced.join(', ')}`);
    printMore(drafts.length);
    printLine('  Add the prices to the catalog and run the close again.');
  }
  if (held.length > 0) {
    printLine(toned('careful', `  ${held.length} projects are held. Nothing is issued to them yet.`));
    for (const { project, code, detail, remedy } of held.slice(0, SHOWN)) {
      printLine(`    ${project}: ${printable(detail)} [${code}]`);
      printLine(`      -> ${printable(remedy)}`);
    }
    printMore(held.length);
  }
  const { count, byReason } = report.deadLetters;
  if (count > 0) {
    const reasons = Object.entries(byReason).map(([reason, of]) => `${of} ${reason}`);
    printLine(
      `  ${count} events of the month are dead letters, and charged to nobody: ${reasons.join(', ')}.`,
    );
  }
  if (overQuota.length > 0) {
    printLine('  Usage over a quota that blocks is not charged:');
    printTable(
      [
        { title: 'project', of: (row) => row.project },
        { title: 'quota', of: (row) => row.name },
        { title: 'over', of: (row) => `${groupDigits(row.over)} ${row.unit}`, align: 'right' },
      ],
      overQuota.slice(0, SHOWN),
    );
    printMore(overQuota.length);
  }
}

function printLeft({ month, projects, problem }: LeaveReport, isDryRun: boolean): void {
  if (problem !== undefined) printLine(toned('careful', printable(problem)));
  else if (isDryRun) printLine(`${month} would leave Redis.`);
  else printLine(`${month} has left Redis: ${projects} projects are read from billing.totals.`);
}

/** At most this many rows of a list are printed. --json has all of them. */
const SHOWN = 50;

function printMore(length: number): void {
  if (length > SHOWN) printLine(`    ... and ${length - SHOWN} more; --json lists all`);
}

/** 1234n -> `12.34` */
function moneyText(minor: bigint, digits: number): string {
  const text = (minor < 0n ? -minor : minor).toString().padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  return `${minor < 0n ? '-' : ''}${whole}${digits === 0 ? '' : `.${text.slice(-digits)}`}`;
}
