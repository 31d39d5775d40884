import type { Command } from 'commander';
import { keysOfProject } from '../../../redis/keys';
import { monthsThatLeft } from '../../../redis/usage/left-months';
import { existingKeys, readShardCount } from '../../../redis/usage/read-usage';
import { checkRebuilt } from '../../../redis/rebuilding';
import { projectMonthVerb } from '../../lib/arguments';
import { withContext } from '../../../installation/context';
import { printList, withOutput, type OutputOptions } from '../../lib/list-output';
import { printLine, printNote } from '../../lib/output';

export function verb(): Command {
  return withOutput(
    projectMonthVerb('keys', 'Print the Redis keys that hold the usage of a project, for redis-cli.'),
  )
    .addHelpText(
      'after',
      `
Examples:
  tallyman keys acme-voice
  tallyman keys acme-voice --month 2026-10 | grep :totals: | xargs -n 1 redis-cli -u "$REDIS_URL" HGETALL`,
    )
    .action(async (project: string, options: OutputOptions & { month?: string }) => {
      await withContext(async ({ store: openStore, calendar }) => {
        const store = await openStore();
        const month = options.month ?? calendar.monthOfMs(Date.now());
        await checkRebuilt(store);
        const shardCount = await readShardCount(store);
        const possible = keysOfProject(store.keys, shardCount, project, month);
        const hasLeft = (await monthsThatLeft(store, shardCount)).includes(month);
        const keys = await existingKeys(store, possible);
        await printList(options, {
          rows: keys,
          csv: [['key', (key) => key]],
          document: () => ({ project, month, keys }),
          table: () => {
            if (keys.length === 0) printNote(`Redis has no keys of ${project} in ${month}.`);
            else keys.forEach((key) => printLine(key));
            if (hasLeft) printNote(`${month} has left Redis: its totals and days are in billing.totals.`);
          },
        });
      });
    });
}
