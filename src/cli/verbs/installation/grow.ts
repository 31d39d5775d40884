import { Command } from 'commander';
import { withContext } from '../../../installation/context';
import { grow } from '../../../ops/grow';
import { positiveInteger } from '../../lib/arguments';
import { printJson, printLine } from '../../lib/output';

export function verb(): Command {
  return new Command('grow')
    .description('Add partitions to the usage topics. Repeats of earlier events are still recognised.')
    .requiredOption('--partitions <n>', 'how many partitions each usage topic shall have', positiveInteger)
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
with. A project then stays in its shard, whatever its producers know of the new partitions. So consumers and producers
may run meanwhile. All consumers must be of this version. They take the new partitions within seconds.

If it is killed, run it again. Partitions that somebody added with kafka-topics are taken over: until then consumers stop
with PARTITIONS_ADDED. If their number is not a multiple, a repeat of an event from before may count twice, and
--accept-repeats says that this is known.

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
