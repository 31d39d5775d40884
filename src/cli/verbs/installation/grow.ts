import { Command } from 'commander';
import { withContext } from '../../../installation/context';
import { grow } from '../../../ops/grow';
import { positiveInteger } from '../../lib/arguments';
import { printJson, printLine } from '../../lib/output';

export function verb(): Command {
  return new Command('grow')
    .description('Add partitions to the usage topics. Repeats of earlier events are still recognised.')
    .requiredOption(
      '--partitions <n>',
      'the number of partitions that each usage topic gets',
      positiveInteger,
    )
    .option('--dry-run', 'check everything, and change nothing')
    .option(
      '--accept-repeats',
      'count also what was published under a number of partitions that does not fit',
    )
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
The number must be a multiple of the number of shards, which is the number of partitions that the installation began
with. A project then stays in its shard, even while some producers do not know the new partitions yet, so consumers and
producers may keep running. All consumers must be of this version. They take on the new partitions within seconds.

If it is killed, run it again. If somebody added partitions with kafka-topics, consumers stop with PARTITIONS_ADDED until
this command takes the partitions over. If their number is not a multiple, a repeat of an earlier event may count twice.
--accept-repeats accepts that.

Exits with 3 for a number that does not fit.

Examples:
  tallyman grow --partitions 24
  tallyman grow --partitions 24 --dry-run`,
    )
    .action(
      async (options: {
        readonly partitions: number;
        readonly dryRun?: true;
        readonly acceptRepeats?: true;
        readonly json?: true;
      }) => {
        const { partitions, dryRun = false, acceptRepeats = false } = options;
        const grown = await withContext((context) => grow(context, { partitions, dryRun, acceptRepeats }));
        if (options.json) {
          printJson({ ...grown, dryRun });
          return;
        }
        const { shards, before, topics, cursors } = grown;
        const what = topics.length > 0 ? topics.join(', ') : 'No topic';
        if (dryRun) printLine(`${what} would get ${partitions} partitions. ${before} are counted now.`);
        else printLine(`${what} got ${partitions} partitions. Created ${cursors} cursors.`);
        printLine(`They are counted in ${shards} shards, as before.`);
      },
    );
}
