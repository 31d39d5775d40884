import { Command } from 'commander';
import type { CsvColumn } from '../../../billing/invoice/csv-writer';
import { TallymanError } from '../../../lib/errors';
import { projectsOf, readTotals } from '../../../redis/usage/read-usage';
import { readWhole } from '../../../redis/rebuilding';
import type { Store } from '../../../redis/store';
import { monthArgument, projectArgument } from '../../lib/arguments';
import { withContext } from '../../../installation/context';
import { printList, withOutput, type OutputOptions } from '../../lib/list-output';
import { groupDigits, printLine, printTable } from '../../lib/output';

export function verb(): Command {
  return withOutput(
    new Command('totals')
      .description("Show a project's running totals of a month, rounded usage by usage, in base units.")
      .argument('[project]', 'project id', projectArgument)
      .option('--all', 'show every project that has usage in the month')
      .option('--month <month>', 'YYYY-MM; the current month by default', monthArgument),
  )
    .addHelpText(
      'after',
      `
Examples:
  tallyman totals acme-voice
  tallyman totals acme-voice --month 2026-10 --json
  tallyman totals --all --month 2026-10 --output csv > october.csv`,
    )
    .action(async (project: string | undefined, options: TotalsOptions) => {
      if ((project === undefined) === (options.all === undefined))
        throw new TallymanError('BAD_ARGUMENTS', 'Name a project, or write --all.');
      await withContext(async ({ store: openStore, calendar }) => {
        const store = await openStore();
        const month = options.month ?? calendar.monthOfMs(Date.now());
        if (project === undefined) {
          await printAll(store, month, options);
          return;
        }
        const totals = await readWhole(store, () => sortedTotals(store, project, month));
        await printList(options, {
          rows: rowsOf(project, month, totals),
          csv: CSV,
          document: () => ({ project, month, totals: byMeter(totals) }),
          table: () =>
            totals.length === 0
              ? printLine(`${project} has no usage in ${month}.`)
              : printTotals(project, month, totals),
        });
      });
    });
}

interface TotalsOptions extends OutputOptions {
  readonly month?: string;
  readonly all?: true;
}

interface TotalsRow {
  readonly project: string;
  readonly month: string;
  readonly meter: string;
  readonly quantity: bigint;
}

const CSV: readonly CsvColumn<TotalsRow>[] = [
  ['project', ({ project }) => project],
  ['month', ({ month }) => month, 'exact'],
  ['meter', ({ meter }) => meter],
  ['total', ({ quantity }) => quantity.toString(), 'exact'],
];

const rowsOf = (project: string, month: string, totals: Totals): TotalsRow[] =>
  totals.map(([meter, quantity]) => ({ project, month, meter, quantity }));

type Totals = [meter: string, quantity: bigint][];

async function sortedTotals(store: Store, project: string, month: string): Promise<Totals> {
  return [...(await readTotals(store, project, month))].sort(([a], [b]) => (a < b ? -1 : 1));
}

async function printAll(store: Store, month: string, options: OutputOptions): Promise<void> {
  const all = await readWhole(store, async () => {
    const projects: string[] = [];
    for await (const project of projectsOf(store, month)) projects.push(project);
    const found: [project: string, totals: Totals][] = [];
    for (const project of projects.sort()) found.push([project, await sortedTotals(store, project, month)]);
    return found;
  });
  await printList(options, {
    rows: all.flatMap(([project, totals]) => rowsOf(project, month, totals)),
    csv: CSV,
    document: () => {
      const byProject = all.map(([project, totals]) => [project, byMeter(totals)] as const);
      return { month, projects: withoutPrototype(byProject) };
    },
    table: () => {
      for (const [project, totals] of all) printTotals(project, month, totals);
      if (all.length === 0) printLine(`No project has usage in ${month}.`);
    },
  });
}

function byMeter(totals: Totals): Record<string, string> {
  return withoutPrototype(totals.map(([meter, quantity]) => [meter, quantity.toString()]));
}

/** A project, or a meter's model, may be called `__proto__`. */
function withoutPrototype<T>(fields: readonly (readonly [string, T])[]): Record<string, T> {
  const object = Object.create(null) as Record<string, T>;
  for (const [name, value] of fields) object[name] = value;
  return object;
}

function printTotals(project: string, month: string, totals: Totals): void {
  printTable(
    [
      { title: `${project} ${month}`, of: ([meter]) => meter },
      { title: 'total', of: ([, quantity]) => groupDigits(quantity.toString()), align: 'right' },
    ],
    totals,
  );
}
