import { Argument, Command } from 'commander';
import { consumerNames, consumerNamed } from '../../../../consumers';
import { versionText } from '../../lib/version';
import { logStart } from '../../../installation/log-start';
import { withContext } from '../../../installation/context';
import { EXIT_INTERRUPTED, stopsWhileStarting } from '../../../lib/process/stop-signal';

export function verb(): Command {
  return new Command('consume')
    .description('Run the consumers, which rate each event and keep the totals, until stopped.')
    .addArgument(
      new Argument('[consumers...]', 'the consumers to run; all by default').choices(consumerNames),
    )
    .option('--until-caught-up', 'exit when everything that was published before the start is applied')
    .addHelpText(
      'after',
      `
Examples:
  tallyman consume                      all four, until stopped
  tallyman consume session transfer     two of them, if the others run elsewhere
  tallyman consume --until-caught-up    for a batch job: applies what is there and exits`,
    )
    .action(async (names: string[], options: { untilCaughtUp?: true }) => {
      const end = await withContext(
        async (context) => {
          stopsWhileStarting(context.logger, options.untilCaughtUp ? EXIT_INTERRUPTED : 0);
          logStart(context, 'consume', versionText());
          // Loaded only now, so that a signal meanwhile does not kill the process.
          const { runConsumers } = await import('../../../ingest/run-consumers.js');
          return runConsumers(context, {
            consumers: (names.length > 0 ? names : consumerNames).map(consumerNamed),
            untilCaughtUp: options.untilCaughtUp ?? false,
          });
        },
        { waitsForKafka: true },
      );
      if (end === 'interrupted') process.exitCode = EXIT_INTERRUPTED;
    });
}
