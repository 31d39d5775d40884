import { Option, type Command } from 'commander';
import { csvHeader, csvRows, type CsvColumn } from '../../billing/invoice/csv-writer';
import { TallymanError } from '../../lib/errors';
import { printJson } from './output';

const FORMATS = ['table', 'json', 'csv'] as const;
type Format = (typeof FORMATS)[number];

/** What `withOutput` adds to the options of a verb. */
export interface OutputOptions {
  readonly output: Format;
}

/** Lets a verb that prints a list print it as a table, as JSON or as CSV. */
export function withOutput(command: Command): Command {
  return command
    .addOption(
      new Option('--output <format>', 'how to print it; csv has one row per entry')
        .choices(FORMATS)
        .default('table'),
    )
    .addOption(new Option('--json', 'one JSON document on stdout').implies({ output: 'json' }))
    .hook('preAction', (called) => checkAgree(called.opts()));
}

function checkAgree({ json, output }: { readonly json?: true; readonly output: Format }): void {
  if (json && output !== 'json')
    throw new TallymanError(
      'BAD_ARGUMENTS',
      `--json and --output ${output} contradict each other: use one of them.`,
    );
}

/** A list in each of its forms. Of document and table, only the one that is printed is made. */
export interface List<Row> {
  readonly rows: readonly Row[];
  readonly csv: readonly CsvColumn<Row>[];
  /** The document for `--json`. */
  readonly document: () => unknown;
  /** Prints it for people. */
  readonly table: () => void;
}

export async function printList<Row>(
  { output }: OutputOptions,
  { rows, csv, document, table }: List<Row>,
): Promise<void> {
  if (output === 'json') printJson(await document());
  else if (output === 'csv') process.stdout.write(csvHeader(csv) + csvRows(csv, rows));
  else table();
}
