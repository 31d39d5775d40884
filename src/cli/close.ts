import { Command } from 'commander';
import { readCloseState } from '../close/close-state';
import { closeMonth, rehearseClose, type CloseReport } from '../close/close-month';
import { checkCountingSettings } from '../close/counting-settings';
import { checkMayClose, dueMonths } from '../close/due-months';
import { restoreCloses } from '../close/restore-closes';
import { loadCatalog } from '../catalog-file';
import { loadSeller } from '../seller-file';
import { createPublisher } from '../stream/producer';
import { checkRebuilt } from '../totals/rebuilding';
import { monthArgument, spanArgument, timeArgument } from './arguments';
import { withContext, type Context } from './context';
import { groupDigits, printable, printJson, printLine, printTable, toned } from './output';

interface CloseOptions {
  readonly grace: number;
  readonly now?: number;
  readonly stall: number;
  readonly dryRun?: true;
  readonly json?: true;
}

export function verb(): Command {
  return new Command('close')
    .description('Close a month: wait until all of it is counted, freeze its totals, issue the invoices.')
    .argument('[month]', 'YYYY-MM; every month due by default', monthArgument)
    .option('--grace <span>', 'how long after its end a month may be closed', spanArgument, 3_600_000)
    .option('--now <time>', 'rehearse another clock (ISO 8601)', timeArgument)
    .option('--stall <span>', 'give up when the consumers make no progress for so long', spanArgument, 60_000)
    .option('--dry-run', 'show what would be issued; change nothing')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Safe to repeat, and to run again after it was killed: without a month it also takes up what is not finished, an interrupted
close, drafts or held projects. Exit codes: 0 done or nothing due; 1 failed, or something is left; 3 refused (the month is not over, an
earlier one is open).

Examples:
  tallyman close                  every month that is over and not closed, for cron
  tallyman close 2026-10 --grace 24h
  tallyman close 2026-11 --now 2026-12-01T02:00:00Z --dry-run`,
    )
    .action(async (month: string | undefined, options: CloseOptions) => {
      await withContext((context) => close(context, month, options));
    });
}

async function close(context: Context, month: string | undefined, options: CloseOptions): Promise<void> {
  const { config, calendar, log } = context;
  const kafka = context.kafka();
  const store = await context.store();
  const { catalog } = loadCatalog(config.catalogPath);
  const seller = loadSeller(config.sellerPath);
  const nowMs = options.now ?? Date.now();
  await checkCountingSettings(kafka, config);
  await checkRebuilt(store);
  if (!options.dryRun) await restoreCloses(kafka, store, config.prefix, log);

  const state = await readCloseState(store, calendar, nowMs);
  const months = month === undefined ? dueMonths(state, nowMs, options.grace, calendar) : [month];
  if (month !== undefined) checkMayClose(month, state, nowMs, options.grace, calendar);

  const reports: CloseReport[] = [];
  const publisher = options.dryRun ? undefined : await createPublisher(kafka);
  try {
    for (const due of months) {
      const dependencies = {
        kafka,
        store,
        prefix: config.prefix,
        calendar,
        catalog,
        seller,
        log,
        stallMs: options.stall,
      };
      const report = publisher
        ? await closeMonth({ ...dependencies, publisher }, due, nowMs)
        : await rehearseClose(dependencies, due, nowMs);
      reports.push(report);
      if (!options.json) printReport(report, catalog.currency, catalog.minorDigits);
    }
  } finally {
    await publisher?.close();
  }
  if (options.json) printJson({ closes: reports.map(documentOf) });
  else if (months.length === 0) printLine('No month is due.');
  // For cron: somebody has something to do, or usage stays unpaid.
  if (!options.dryRun && reports.some(({ drafts, held }) => drafts.length + held.length > 0))
    process.exitCode = 1;
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
    printLine(toned('careful', `  ${held.length} projects are held: nothing is issued to them yet.`));
    for (const { project, code, detail, remedy } of held.slice(0, SHOWN)) {
      printLine(`    ${project}: ${printable(detail)} [${code}]`);
      printLine(`      -> ${printable(remedy)}`);
    }
    printMore(held.length);
  }
  const { count, byReason } = report.deadLetters;
  if (count > 0) {
    const reasons = Object.entries(byReason).map(([reason, of]) => `${of} ${reason}`);
    printLine(`  ${count} events of the month are dead letters, charged to nobody: ${reasons.join(', ')}.`);
  }
  if (overQuota.length > 0) {
    printLine('  Over a quota that blocks, not charged:');
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

/** So many rows of a list are printed; --json has all. */
const SHOWN = 50;

function printMore(length: number): void {
  if (length > SHOWN) printLine(`    ... and ${length - SHOWN} more: --json has them all`);
}

/** 1234n -> `12.34` */
function moneyText(minor: bigint, digits: number): string {
  const text = (minor < 0n ? -minor : minor).toString().padStart(digits + 1, '0');
  const whole = text.slice(0, text.length - digits);
  return `${minor < 0n ? '-' : ''}${whole}${digits === 0 ? '' : `.${text.slice(-digits)}`}`;
}
