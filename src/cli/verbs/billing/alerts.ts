import { Command } from 'commander';
import type { CsvColumn } from '../../../billing/invoice/csv-writer';
import type { DueAlert } from '../../../billing/quota/alerts-due';
import { sendAlerts, openMonths, type SeenShards } from '../../../ops/send-alerts';
import type { Alert } from '../../../../schemas/types';
import { loadCatalog } from '../../../installation/catalog-file';
import { followLedgers } from '../../../installation/ledgers/follow-ledger';
import { readAlerts } from '../../../ops/read-alerts';
import { logStart } from '../../../installation/log-start';
import { usageTopics } from '../../../kafka/topics/topics';
import { versionText } from '../../lib/version';
import { openAppendOnceTopic } from '../../../kafka/ledger/append-once-topic';
import { durationOption, intervalArgument, listVerb } from '../../lib/arguments';
import { withContext, type Context } from '../../../installation/context';
import { printList, type OutputOptions } from '../../lib/list-output';
import { groupDigits, printLine, printTable, type Column } from '../../lib/output';
import { processMetrics, serveProbes, type Readiness } from '../../../lib/health-server';
import { pause } from '../../../lib/process/poller';
import { EXIT_INTERRUPTED, signalled, stopsWhileStarting } from '../../../lib/process/stop-signal';

/**
 * How often every project is checked, changed or not: a new plan or budget also changes which
 * alerts are due.
 */
const FULL_PASS_MS = 10 * 60_000;
/** If the last check is older than the interval and this, readiness fails. */
const PASS_LIMIT_MS = 60_000;

export function verb(): Command {
  return new Command('alerts')
    .description(
      'Alert when a project has used 80 % or 100 % of what its plan includes, its credits or its budget.',
    )
    .addHelpText(
      'after',
      `
Examples:
  tallyman alerts watch
  tallyman alerts list --project acme`,
    )
    .addCommand(
      new Command('watch')
        .description('Publish alerts to billing.alerts, each once, until stopped.')
        .addOption(
          durationOption('--interval <duration>', 'time between two checks', '30s', intervalArgument),
        )
        .option('--once', 'check once and exit')
        .option('--dry-run', 'check once, list the alerts that are due, and send none')
        .addHelpText(
          'after',
          `
Run one watcher per installation: a second one takes over, and the first one exits. TALLYMAN_HEALTH_PORT serves
/healthz, /readyz and /metrics, except with --once.

Examples:
  tallyman alerts watch
  tallyman alerts watch --once          for cron
  tallyman alerts watch --dry-run`,
        )
        .action(async (options: WatchOptions) => {
          const waitsForKafka = !options.once && !options.dryRun;
          await withContext((context) => watch(context, options), { waitsForKafka });
        }),
    )
    .addCommand(
      listVerb('List the alerts that were sent, oldest first.')
        .addHelpText(
          'after',
          `
Examples:
  tallyman alerts list --project acme --month 2026-10
  tallyman alerts list --output csv`,
        )
        .action(async (options: OutputOptions & { project?: string; month?: string }) => {
          await withContext(async (context) => {
            const alerts = await readAlerts(context.kafka(), context.config.prefix, options);
            await printList(options, {
              rows: alerts,
              csv: CSV,
              document: () => ({ alerts }),
              table: () => (alerts.length === 0 ? printLine('No alerts.') : printAlerts(alerts)),
            });
          });
        }),
    );
}

interface WatchOptions {
  readonly interval: number;
  readonly once?: true;
  readonly dryRun?: true;
}

async function watch(context: Context, { interval, dryRun, once = dryRun }: WatchOptions): Promise<void> {
  const { config, calendar, logger, kafka, store: openStore } = context;
  stopsWhileStarting(logger, once ? EXIT_INTERRUPTED : 0);
  if (!dryRun)
    logStart(context, 'alerts watch', versionText(), {
      watches: usageTopics(config.prefix),
      ...(!once && { everyMs: interval }),
    });
  const store = await openStore();
  const { catalog } = loadCatalog(config.catalogPath);
  const views = followLedgers(kafka(), store, config.prefix);
  await views.closes.catchUp();
  const [firstMonth = ''] = await openMonths({ store, calendar }, Date.now());
  const sentBefore = await openAppendOnceTopic(
    kafka(),
    config.prefix,
    'billing.alerts',
    ({ month }) => month >= firstMonth,
    { dryRun },
  );
  const sources = { store, catalog, calendar, views, log: sentBefore };
  let seen: SeenShards = new Map();
  let fullAt = Number.NEGATIVE_INFINITY;
  let passedAt = performance.now();
  const readiness = (): Readiness => {
    const ageMs = performance.now() - passedAt;
    if (ageMs <= interval + PASS_LIMIT_MS) return { ready: true, problems: [] };
    const detail = `the last check ended ${Math.floor(ageMs / 1000)} s ago`;
    return { ready: false, problems: [{ code: 'CHECK_LATE', subject: 'alerts', detail }] };
  };
  const probes = once ? undefined : await serveProbes(config.health, readiness, processMetrics(), logger);
  const stopSignal = signalled();
  try {
    while (!stopSignal.stopped()) {
      const startedAt = performance.now();
      const isFull = startedAt - fullAt >= FULL_PASS_MS;
      if (isFull) fullAt = startedAt;
      const pass = await sendAlerts(sources, Date.now(), isFull ? new Map() : seen);
      seen = pass.seen;
      passedAt = performance.now();
      if (dryRun) printDue(pass.sent);
      else for (const alert of pass.sent) logger.info({ alert }, 'alert sent');
      if (once) break;
      await pause(interval, stopSignal.signal);
    }
  } finally {
    await probes?.close();
    await sentBefore.close();
    stopSignal.dispose();
  }
}

const CSV: readonly CsvColumn<Alert>[] = [
  ['at', ({ at }) => at, 'exact'],
  ['project', ({ project }) => project],
  ['month', ({ month }) => month, 'exact'],
  ['plan', ({ plan }) => plan],
  ['kind', ({ kind }) => kind, 'exact'],
  ['name', ({ name }) => name],
  ['period', ({ period }) => period ?? '', 'exact'],
  ['percent', ({ percent }) => String(percent), 'exact'],
  ['used', ({ used }) => used, 'exact'],
  ['limit', ({ limit }) => limit, 'exact'],
  ['unit', ({ unit }) => unit, 'exact'],
];

const COLUMNS: readonly Column<DueAlert>[] = [
  { title: 'project', of: ({ project }) => project },
  { title: 'month', of: ({ month }) => month },
  { title: 'limit', of: ({ name, period }) => (period === undefined ? name : `${name} (${period})`) },
  { title: '%', of: ({ percent }) => String(percent), align: 'right' },
  { title: 'used', of: ({ used }) => groupDigits(used), align: 'right' },
  { title: 'of', of: ({ limit, unit }) => `${groupDigits(limit)} ${unit}`, align: 'right' },
];

function printAlerts(alerts: readonly Alert[]): void {
  printTable<Alert>([{ title: 'sent', of: ({ at }) => at }, ...COLUMNS], alerts);
}

function printDue(due: readonly DueAlert[]): void {
  printLine(`${due.length} alerts would be sent (dry run, none was sent).`);
  if (due.length > 0) printTable(COLUMNS, due);
}
