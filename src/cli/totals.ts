import { Command } from 'commander';
import { readTotals } from '../totals/read';
import { monthArgument, projectArgument } from './arguments';
import { withContext } from './context';
import { groupDigits, printJson, printLine, printTable } from './output';

export function totalsVerb(): Command {
  return new Command('totals')
    .description("A project's running totals of a month, rounded usage by usage, in base units.")
    .argument('<project>', 'project id', projectArgument)
    .option('--month <month>', 'YYYY-MM; the current month by default', monthArgument)
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman totals acme-voice
  tallyman totals acme-voice --month 2026-10 --json`,
    )
    .action(async (project: string, options: { month?: string; json?: true }) => {
      await withContext(async ({ store, calendar }) => {
        const month = options.month ?? calendar.monthOfMs(Date.now());
        const totals = [...(await readTotals(await store(), project, month))].sort(([a], [b]) =>
          a < b ? -1 : 1,
        );
        if (options.json) {
          // Made without a prototype: a meter's model is a producer's text and may be called `__proto__`.
          const byMeter = Object.assign(Object.create(null) as Record<string, string>, {});
          for (const [meter, quantity] of totals) byMeter[meter] = quantity.toString();
          printJson({ project, month, totals: byMeter });
          return;
        }
        if (totals.length === 0) {
          printLine(`${project} has no usage in ${month}.`);
          return;
        }
        printTable(
          [
            { title: `${project} ${month}`, of: ([meter]) => meter },
            { title: 'total', of: ([, quantity]) => groupDigits(quantity.toString()), align: 'right' },
          ],
          totals,
        );
      });
    });
}
