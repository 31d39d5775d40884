import { Command } from 'commander';
import { withContext, type Context } from '../../../installation/context';
import { planRebuild, rebuild, type RebuildPlan } from '../../../ops/rebuild';
import { groupDigits, printJson, printLine } from '../../lib/output';

export function verb(): Command {
  return new Command('rebuild')
    .description(
      'Refill an empty Redis from Kafka: ledgers, closed months, and every event that the log still holds.',
    )
    .option('--empty', "delete this installation's keys from Redis first; refused while consumers run")
    .option('--dry-run', 'check whether a rebuild is possible, show what it would do, and change nothing')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Stop the consumers first. If the rebuild is stopped or killed, run it again: it continues where it was. Until it has
ended, nothing else runs on this Redis. On a Redis that lost nothing it changes nothing.

--empty is for a damaged Redis. It first checks that Kafka holds everything that is needed, then deletes the keys of this
installation (TALLYMAN_PREFIX) and no others.

Exits with 3 if consumers run, if the log no longer holds what the open month needs, or if the environment has other
settings than those recorded.

Examples:
  tallyman rebuild
  tallyman rebuild --empty --dry-run
  tallyman rebuild --empty`,
    )
    .action(async (options: { empty?: true; dryRun?: true; json?: true }) => {
      const run = async (context: Context): Promise<void> => {
        const empty = options.empty ?? false;
        if (options.dryRun) {
          const plan = await planRebuild(context, { empty });
          if (options.json) printJson({ dryRun: true, ...plan });
          else printPlan(plan);
          return;
        }
        const rebuilt = await rebuild(context, { empty });
        if (options.json) {
          printJson(rebuilt);
          return;
        }
        const { projects, closes, invoices, monthsBeyondLog } = rebuilt;
        printLine(`Rebuilt ${projects} projects, ${closes} closes, ${invoices} invoices and all totals.`);
        if (monthsBeyondLog.length > 0) {
          printLine(
            `The log begins within or after ${monthsBeyondLog.join(', ')}: their totals are as their close published them. ` +
              'Their single events are gone (`tallyman explain`).',
          );
        }
      };
      await withContext(run, { waitsForKafka: !options.dryRun });
    });
}

function printPlan({ deletes, cursors, offsets }: RebuildPlan): void {
  if (deletes > 0) printLine(`Would delete ${groupDigits(deletes)} keys of this installation from Redis.`);
  printLine(
    cursors === 0
      ? 'Redis has every cursor, so no event would be counted again. Its views would be brought up to date.'
      : `Would create ${cursors} cursors, and read ${groupDigits(offsets)} offsets of the log again.`,
  );
  printLine('Nothing was changed (dry run).');
}
