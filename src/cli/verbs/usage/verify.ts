import { Command } from 'commander';
import type { CsvColumn } from '../../../billing/invoice/csv-writer';
import { loadCatalog } from '../../../installation/catalog-file';
import { checkCountingSettings } from '../../../installation/recorded-settings';
import { TallymanError } from '../../../lib/errors';
import { roundingTable } from '../../../rating/rounding';
import type { Difference } from '../../../audit/compare/difference';
import { verify, type MonthVerdict, type VerifyReport } from '../../../audit/verify';
import { loadSeller } from '../../../installation/seller-file';
import { checkCoPartitioned, usageTopics } from '../../../kafka/topics/topics';
import { readWhole } from '../../../redis/rebuilding';
import { writeVerified } from '../../../redis/views/verified';
import { monthArgument } from '../../lib/arguments';
import { withContext, type Context } from '../../../installation/context';
import { logStart } from '../../../installation/log-start';
import { followVerify } from '../../../audit/second-count/follow-verify';
import { EXIT_INTERRUPTED, stopsWhileStarting } from '../../../lib/process/stop-signal';
import { everyOption, runEvery } from '../../run-every';
import { printList, withOutput, type OutputOptions } from '../../lib/list-output';
import { groupDigits, printLine, printTable } from '../../lib/output';
import { versionText } from '../../lib/version';

const EXIT_DIFFERENT = 1;
const EXIT_NOT_JUDGED = 3;
const SHOWN = 50;

export function verb(): Command {
  return withOutput(
    new Command('verify')
      .description(
        'Recount the log, compare totals, days, closes and invoices with it, and list duplicates with other data.',
      )
      .argument('[month]', 'YYYY-MM; every month that the log covers by default', monthArgument),
  )
    .option('--follow', 'keep a second count beside the consumers and compare it, until stopped')
    .option('--state <dir>', 'the directory where --follow keeps its count', 'verify-state')
    .option('--once', 'with --follow: exit when everything was compared once')
    .addOption(everyOption().conflicts('follow'))
    .addHelpText(
      'after',
      `
Consumers may run meanwhile: verify compares at the offsets that they have reached. It counts in this process and leaves
nothing behind. Exits with 0 if all is equal, 1 if something differs, 3 if the log does not reach back far enough.

--follow counts each event once, on disk, and reports a difference within a minute: as a log line, and in /metrics and
/readyz (TALLYMAN_HEALTH_PORT). It exits with 1 if it is stopped while a difference exists.

Examples:
  tallyman verify 2026-10
  tallyman verify --json | jq .differences
  tallyman verify --output csv > findings.csv     one row per difference and per conflict
  tallyman verify --every 24h           a recount per day without cron: runs until stopped
  tallyman verify --follow --state /var/lib/tallyman/verify`,
    )
    .action(async (month: string | undefined, options: VerifyFlags) => {
      checkFlags(month, options);
      if (options.follow) {
        await withContext((context) => follow(context, options), { waitsForKafka: !options.once });
        return;
      }
      await runEvery(options.every, 'verify', async (context) => {
        const report = await verifyMonths(context, month);
        await printList(options, {
          rows: findingsOf(report),
          csv: CSV,
          document: () => report,
          table: () => printReport(report),
        });
        process.exitCode = exitCodeOf(report);
      });
    });
}

interface VerifyFlags extends OutputOptions {
  readonly follow?: true;
  readonly once?: true;
  readonly every?: number;
  readonly state: string;
}

function checkFlags(month: string | undefined, { follow, once }: VerifyFlags): void {
  if (once && !follow) throw new TallymanError('NEEDS_FOLLOW', '--once needs --follow.');
  if (month !== undefined && follow)
    throw new TallymanError('MONTH_WITH_FOLLOW', '--follow compares all months: leave the month out.', {
      month,
    });
}

/** What differs: between Redis and the log, or between the events of one identity. */
interface VerifyFinding extends Partial<Omit<Difference, 'kind'>> {
  readonly kind: string;
  readonly conflict?: VerifyReport['conflicts'][number];
}

const findingsOf = ({
  differences,
  conflicts,
}: Pick<VerifyReport, 'differences' | 'conflicts'>): VerifyFinding[] => [
  ...differences,
  ...conflicts.map((conflict) => ({ kind: 'conflict', project: conflict.project, conflict })),
];

const CSV: readonly CsvColumn<VerifyFinding>[] = [
  ['finding', ({ kind }) => kind, 'exact'],
  ['month', ({ month }) => month ?? '', 'exact'],
  ['project', ({ project }) => project ?? ''],
  ['shard', ({ shard }) => shard?.toString() ?? '', 'exact'],
  ['field', ({ field }) => field ?? ''],
  ['fromKafka', ({ expected }) => expected ?? '', 'exact'],
  ['found', ({ found }) => found ?? '', 'exact'],
  ['source', ({ conflict }) => conflict?.source ?? ''],
  ['id', ({ conflict }) => conflict?.id ?? ''],
  ['first', ({ conflict }) => (conflict === undefined ? '' : firstPlace(conflict))],
  ['repeatOffset', ({ conflict }) => conflict?.repeat.offset.toString() ?? '', 'exact'],
  ['changesUsage', ({ conflict }) => conflict?.changesUsage.toString() ?? '', 'exact'],
];

const firstPlace = ({ first }: VerifyReport['conflicts'][number]): string =>
  `${first.topic}/${first.partition}/${first.offset}`;

async function follow(context: Context, { state, once, output }: VerifyFlags): Promise<void> {
  stopsWhileStarting(context.logger, once ? EXIT_INTERRUPTED : 0);
  const watches = usageTopics(context.config.prefix);
  logStart(context, 'verify --follow', versionText(), { watches, state });
  const { differences, hasSeenAll } = await followVerify(context, { state, once: once ?? false });
  await printList(
    { output },
    {
      rows: findingsOf({ differences, conflicts: [] }),
      csv: CSV,
      document: () => ({ differences }),
      table: () => {
        if (differences.length > 0) printDifferences({ differences, differenceCount: differences.length });
        else printLine(hasSeenAll ? 'Redis equals the log.' : 'Stopped before everything was compared.');
      },
    },
  );
  if (differences.length > 0) process.exitCode = EXIT_DIFFERENT;
  else if (once && !hasSeenAll) process.exitCode = EXIT_INTERRUPTED;
}

async function verifyMonths(context: Context, month: string | undefined): Promise<VerifyReport> {
  const { config, calendar } = context;
  const client = context.kafka();
  const store = await context.store();
  const { catalog } = loadCatalog(config.catalogPath);
  await checkCoPartitioned(client, config.prefix);
  const counting = await checkCountingSettings(client, config);
  const report = await readWhole(store, () =>
    verify({
      ...{ client, store, prefix: config.prefix, catalog, counting, month },
      seller: loadSeller(config.sellerPath),
      rating: { rounding: roundingTable(config.rounding), calendar, limits: config.limits },
      nowMs: Date.now(),
    }),
  );
  const verifiedAt = new Date().toISOString();
  for (const { month: of, result, differences, conflicts, conflictsThatCount } of report.months)
    await writeVerified(store, { month: of, verifiedAt, result, differences, conflicts, conflictsThatCount });
  return report;
}

/** If a month was named, it must be compared. Otherwise those that the log covers must. */
function exitCodeOf({ differenceCount, months }: VerifyReport): number {
  if (differenceCount > 0) return EXIT_DIFFERENT;
  return months.length > 0 && months.every(({ result }) => result === 'not_judged') ? EXIT_NOT_JUDGED : 0;
}

function printReport(report: VerifyReport): void {
  const { read, counted, duplicates, late, voided, rejected } = report.events;
  printLine(
    `Recounted ${groupDigits(read)} records: ${groupDigits(counted)} events (${groupDigits(late)} late), ${groupDigits(duplicates)} duplicates, ` +
      `${groupDigits(voided)} taken back, ` +
      `${groupDigits(rejected)} dead letters.`,
  );
  if (report.months.length === 0) printLine('There is no month to compare.');
  else
    printTable<MonthVerdict>(
      [
        { title: 'month', of: ({ month }) => month },
        { title: 'state', of: ({ closed }) => (closed ? 'closed' : 'open') },
        { title: 'result', of: ({ result }) => result.replace('_', ' ') },
        { title: 'differences', of: ({ differences }) => groupDigits(differences), align: 'right' },
        { title: 'conflicts', of: ({ conflicts }) => groupDigits(conflicts), align: 'right' },
        { title: 'invoices', of: ({ invoices }) => groupDigits(invoices), align: 'right' },
      ],
      report.months,
    );
  for (const { month, logTooShort } of report.months) {
    if (logTooShort === undefined) continue;
    const { topic, partition, start, needed } = logTooShort;
    printLine(
      `${month} cannot be recounted: ${topic}/${partition} begins at offset ${start}, and the recount needs the log from ${needed}.`,
    );
  }
  printDifferences(report);
  printConflicts(report);
}

function printDifferences({
  differences,
  differenceCount,
}: Pick<VerifyReport, 'differences' | 'differenceCount'>): void {
  if (differenceCount === 0) return;
  printLine();
  printTable<Difference>(
    [
      { title: 'difference', of: ({ kind }) => kind },
      { title: 'month', of: ({ month }) => month ?? '' },
      { title: 'project', of: ({ project }) => project ?? '' },
      { title: 'field', of: ({ field, shard }) => field ?? (shard === undefined ? '' : `shard ${shard}`) },
      { title: 'from Kafka', of: ({ expected }) => expected ?? '-', align: 'right' },
      { title: 'found', of: ({ found }) => found ?? '-', align: 'right' },
    ],
    differences.slice(0, SHOWN),
  );
  if (differenceCount > SHOWN)
    printLine(`... and ${groupDigits(differenceCount - SHOWN)} more; --json lists all.`);
}

function printConflicts({ conflicts, conflictCount }: VerifyReport): void {
  if (conflictCount === 0) return;
  printLine();
  printLine(`${groupDigits(conflictCount)} duplicates differ from the event that was counted:`);
  printTable(
    [
      { title: 'project', of: ({ project }) => project },
      { title: 'source', of: ({ source }) => source },
      { title: 'id', of: ({ id }) => id },
      { title: 'first', of: firstPlace },
      { title: 'repeat', of: ({ repeat }) => String(repeat.offset) },
      { title: 'would count', of: ({ changesUsage }) => (changesUsage ? 'otherwise' : 'the same') },
    ],
    conflicts.slice(0, SHOWN),
  );
  if (conflictCount > SHOWN)
    printLine(`... and ${groupDigits(conflictCount - SHOWN)} more; --json lists all.`);
}
