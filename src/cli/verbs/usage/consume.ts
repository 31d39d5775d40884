import { Argument, Command } from 'commander';
import { consumerNames, consumerNamed } from '../../../../consumers';
import { runConsumers } from '../../../ingest/run-consumers';
import { withContext } from '../../../installation/context';

/** As a shell has it for Ctrl-C: a script must not take an interrupted catch-up for a finished one. */
const EXIT_INTERRUPTED = 130;

export function verb(): Command {
  return new Command('consume')
    .description('Run the consumers: rate each event and keep the totals, until stopped.')
    .addArgument(new Argument('[consumers...]', 'which to run; all by default').choices(consumerNames))
    .option('--until-caught-up', 'end when everything that was published at the start is applied')
    .addHelpText(
      'after',
      `
Examples:
  tallyman consume                      all four, for good
  tallyman consume session transfer     two of them; run the others elsewhere
  tallyman consume --until-caught-up    for a batch: apply what is there and end`,
    )
    .action(async (names: string[], options: { untilCaughtUp?: true }) => {
      const end = await withContext((context) =>
        runConsumers(context, {
          consumers: (names.length > 0 ? names : consumerNames).map(consumerNamed),
          untilCaughtUp: options.untilCaughtUp ?? false,
        }),
      );
      if (end === 'interrupted') process.exitCode = EXIT_INTERRUPTED;
    });
}
