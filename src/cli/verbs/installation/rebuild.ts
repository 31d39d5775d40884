import { Command } from 'commander';
import { withContext } from '../../../installation/context';
import { rebuild } from '../../../ops/rebuild';
import { printJson, printLine } from '../../lib/output';

export function verb(): Command {
  return new Command('rebuild')
    .description(
      'Fill an emptied Redis from Kafka: ledgers, closed months, and every event that the log still holds.',
    )
    .option('--empty', "delete this installation's keys from Redis first; refused while consumers run")
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Stop the consumers first. If it is stopped or killed, run it again: it goes on where it was, and nothing
else runs on this Redis until it has ended. On a Redis that lost nothing it changes nothing.

--empty is for a Redis that is damaged. It deletes the keys of this installation (TALLYMAN_PREFIX) only,
and it checks first that Kafka holds everything that is needed.

Exit code 3: consumers run, the log no longer holds what the open month needs, or this environment counts
by other settings.

Examples:
  tallyman rebuild
  tallyman rebuild --empty`,
    )
    .action(async (options: { empty?: true; json?: true }) => {
      await withContext(async (context) => {
        const rebuilt = await rebuild(context, { empty: options.empty ?? false });
        if (options.json) {
          printJson(rebuilt);
          return;
        }
        const { projects, closes, invoices, monthsBeyondLog } = rebuilt;
        printLine(`Rebuilt: ${projects} projects, ${closes} closes, ${invoices} invoices, all totals.`);
        if (monthsBeyondLog.length > 0) {
          printLine(
            `The log begins within or after ${monthsBeyondLog.join(', ')}: their totals are as their close published them. ` +
              'What cannot be had of them any more are single events (`tallyman explain`).',
          );
        }
      });
    });
}
