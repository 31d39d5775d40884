import { Command } from 'commander';
import { followLedgers } from '../../../installation/ledgers/follow-ledger';
import { loadCatalog } from '../../../installation/catalog-file';
import { checkCoPartitioned, usageTopics } from '../../../kafka/topics/topics';
import { createLogLook } from '../../../ingest/health/log-position';
import { createOverviewReader } from '../../../ops/overview';
import { durationOption, intervalArgument } from '../../lib/arguments';
import { withContext, type Context } from '../../../installation/context';
import { printJson, printLine } from '../../lib/output';
import { pause, polled } from '../../../lib/process/poller';
import { openScreen } from '../../lib/top/screen';
import { signalled, type StopSignal } from '../../../lib/process/stop-signal';
import { topDocument, topLines, type TopView } from '../../lib/top/top-view';

interface TopOptions {
  readonly interval: number;
  readonly once?: true;
  readonly json?: true;
}

const LOOK_EVERY_MS = 1_000;
/** An older answer does not show how fresh the totals are. */
const STALE_MS = 10_000;

export function verb(): Command {
  return new Command('top')
    .description('Watch lag, throughput, stuck partitions, dead letters and the biggest projects.')
    .addOption(durationOption('--interval <duration>', 'time between two updates', '1s', intervalArgument))
    .option('--once', 'show it once and exit')
    .option('--json', 'one JSON document on stdout, once')
    .addHelpText(
      'after',
      `
Redraws a terminal in place until Ctrl-C. If stdout is not a terminal, it writes one block after another. Events are
counted by their offsets, and a transaction's marker takes an offset as well. --once and --json measure for a second, for
the rates. A stuck partition shows only if you watch for longer.

Examples:
  tallyman top
  tallyman top --interval 1m >> top.log
  tallyman top --json | jq .freshness.behind`,
    )
    .action((options: TopOptions) => {
      const isLive = process.stdout.isTTY && !options.once && !options.json;
      // Log lines would be written across the view, and the view itself shows what does not answer.
      return withContext((context) => top(context, options, isLive), {
        waitsForKafka: !options.once && !options.json,
        ...(isLive && { logLevel: 'silent' }),
      });
    });
}

async function top(context: Context, options: TopOptions, isLive: boolean): Promise<void> {
  const watched = await openTop(context);
  const stopSignal = signalled();
  try {
    if (isLive) await drawUntilStopped(watched, options.interval, stopSignal);
    else if (options.once || options.json) {
      await watched.refresh();
      await pause(LOOK_EVERY_MS, stopSignal.signal);
      await watched.refresh();
      if (options.json) printJson(topDocument(watched.view()));
      else print(watched.view());
    } else {
      while (!stopSignal.stopped()) {
        await watched.refresh();
        print(watched.view());
        printLine();
        await pause(options.interval, stopSignal.signal);
      }
    }
  } finally {
    stopSignal.dispose();
  }
}

interface WatchedTop {
  /** Queries everything that is due. @throws the errors of Kafka and Redis */
  refresh(): Promise<void>;
  view(): TopView;
}

async function openTop({
  config,
  calendar,
  kafka: openKafka,
  store: openStore,
}: Context): Promise<WatchedTop> {
  const { catalog } = loadCatalog(config.catalogPath);
  const store = await openStore();
  const kafka = openKafka();
  // Without the topics, each query would be repeated until it is given up.
  await checkCoPartitioned(kafka, config.prefix);
  const position = polled(
    LOOK_EVERY_MS / 2,
    createLogLook({ kafka, store, topics: usageTopics(config.prefix) }),
  );
  const { projects, invoices } = followLedgers(kafka, store, config.prefix);
  const installation = createOverviewReader({
    ...{ kafka, store, calendar, catalog, prefix: config.prefix, nowMs: Date.now },
    position: () => position.latest(STALE_MS),
    catchUp: () => Promise.all([projects.catchUp(), invoices.catchUp()]),
  });
  const all = [position, installation.deadLetters, installation.spend];
  return {
    async refresh() {
      await Promise.all(all.map((one) => one.refresh()));
    },
    view: () => ({
      ...installation.overview(),
      problems: [...new Set(all.flatMap((one) => one.failure()?.message ?? []))],
    }),
  };
}

/** The view is drawn on time even if a query hangs. Its answer is shown when it arrives. */
async function drawUntilStopped(
  watched: WatchedTop,
  intervalMs: number,
  stopSignal: StopSignal,
): Promise<void> {
  const screen = openScreen(process.stdout);
  const draw = (): void => screen.draw(topLines(watched.view()));
  process.stdout.on('resize', draw);
  try {
    while (!stopSignal.stopped()) {
      const refreshed = watched.refresh().catch(() => undefined); // The view shows it as a problem.
      await Promise.race([refreshed, pause(intervalMs, stopSignal.signal)]);
      draw();
      await pause(intervalMs, stopSignal.signal);
    }
  } finally {
    process.stdout.off('resize', draw);
    screen.close();
  }
}

function print(view: TopView): void {
  for (const { text } of topLines(view)) printLine(text);
}
