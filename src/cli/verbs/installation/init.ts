import { Command, Option } from 'commander';
import { withContext } from '../../../installation/context';
import { initialise, type InitOptions } from '../../../ops/init';
import { INIT_DEFAULTS } from '../../../ops/init-defaults';
import { positiveInteger } from '../../lib/arguments';
import { printJson, printLine } from '../../lib/output';

export function verb(): Command {
  return new Command('init')
    .description(
      'Create the topics and the cursors. Safe to repeat: what exists stays as it is, or gets more copies.',
    )
    .addOption(
      new Option('--from <where>', 'where new cursors begin')
        .choices(['earliest', 'latest'])
        .default('earliest'),
    )
    .option('--partitions <n>', 'partitions of each usage topic', positiveInteger, INIT_DEFAULTS.partitions)
    .option(
      '--replication <n>',
      'copies of each partition, also of existing topics that have fewer (default: that of the brokers)',
      positiveInteger,
    )
    .option('--allow-one-copy', 'create topics with one copy although there are three brokers or more')
    .option(
      '--retention-days <n>',
      'how long usage topics keep events',
      positiveInteger,
      INIT_DEFAULTS.retentionDays,
    )
    .addOption(
      new Option(
        '--timestamps <whose>',
        'whose timestamps the records of new usage topics keep: those of the broker, or of the producer',
      )
        .choices(['append', 'create'])
        .default('append'),
    )
    .option('--record-settings', 'record the settings of this environment, after billing.settings was lost')
    .option('--dry-run', 'show what would be created, and create nothing')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman init
  tallyman init --dry-run
  tallyman init --partitions 24 --replication 3
  tallyman init --replication 3           to give existing topics more copies
  tallyman init --timestamps create       to replay or migrate records with their own timestamps
  tallyman init --from latest             to count only what is published from now on`,
    )
    .action(async (options: InitOptions & { readonly json?: true }) => {
      const { topics, raised, partitions, cursors, allCursors } = await withContext((context) =>
        initialise(context, options),
      );
      if (options.json) {
        printJson({ ...(options.dryRun && { dryRun: true }), topics, raised, partitions, cursors });
        return;
      }
      const created = options.dryRun ? 'Would create' : 'Created';
      printLine(topics.length > 0 ? `${created} topics: ${topics.join(', ')}` : 'All topics exist.');
      if (raised.length > 0)
        printLine(`${options.dryRun ? 'Would get more' : 'More'} copies: ${raised.join(', ')}`);
      printLine(`${created} ${cursors} of ${allCursors} cursors (${options.from}).`);
    });
}
