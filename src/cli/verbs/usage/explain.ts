import { once } from 'node:events';
import { Command, InvalidArgumentError } from 'commander';
import type { ExplainedEvent } from '../../../audit/explain-line';
import { jsonExplanation, writeExplanation, type ExplanationWriter } from '../../../audit/explanation';
import { csvHeader, csvRows, type CsvColumn } from '../../../billing/invoice/csv-writer';
import type { Invoice } from '../../../billing/invoice/invoice';
import { loadCatalog } from '../../../installation/catalog-file';
import { withContext, type Context } from '../../../installation/context';
import { createProgress } from '../../../lib/progress';
import { checkRebuilt } from '../../../redis/rebuilding';
import { findInvoice, INVOICE_ARGUMENT } from '../../lib/find-invoice';
import { withOutput, type OutputOptions } from '../../lib/list-output';
import { groupDigits, printable, printNote } from '../../lib/output';

const EXIT_DIFFERENT = 1;

export function verb(): Command {
  return withOutput(
    new Command('explain')
      .description(
        'List the events behind the lines of an invoice, from Kafka, with their rounding and running sum.',
      )
      .argument('<invoice>', INVOICE_ARGUMENT)
      .argument(
        '[line]',
        'number of the line, from 1, as `invoices show` lists them; every usage line by default',
        lineArgument,
      ),
  )
    .addHelpText(
      'after',
      `
Time is in seconds, transfer in bytes, the rest in tokens, characters or events. Duplicates are marked, and add nothing.
Exits with 1 if the events do not add up to the line, or if the log no longer has all of them.

Examples:
  tallyman explain acme-2026-10 2
  tallyman explain acme-2026-10 --output csv > events.csv
  tallyman explain acme-2026-10 --json | jq '.lines[].events[].id'`,
    )
    .action(async (id: string, line: number | undefined, { output }: OutputOptions) => {
      await withContext((context) => explain(context, id, line, WRITERS[output]));
    });
}

function lineArgument(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new InvalidArgumentError(`"${text}" is not a line number: the first line is 1.`);
  return Number(text);
}

async function explain(
  context: Context,
  id: string,
  wanted: number | undefined,
  writerOf: (invoice: Invoice) => ExplanationWriter,
): Promise<void> {
  await checkRebuilt(await context.store());
  const invoice = await findInvoice(context, id);
  const { catalog } = loadCatalog(context.config.catalogPath);
  const progress = createProgress(`explain ${id}`);
  const writer = writerOf(invoice);
  const agrees = await writeExplanation(context, { invoice, line: wanted, catalog, progress, writer, write });
  progress.end();
  if (!agrees) process.exitCode = EXIT_DIFFERENT;
}

async function write(text: string): Promise<void> {
  if (text !== '' && !process.stdout.write(text)) await once(process.stdout, 'drain');
}

function textWriter(invoice: Invoice): ExplanationWriter {
  return {
    begin: () => '',
    beginLine: (number) => {
      const { description, quantity, unit, period } = invoice.lines[number - 1]!;
      const about = period === undefined ? '' : ` (${period})`;
      return `Line ${number}: ${printable(description)}${about}: ${groupDigits(quantity)} ${unit}\n`;
    },
    event: ({ topic, partition, offset, time, source, id, used, rounded, verdict, late, sum }) => {
      const marks = [
        ...(verdict === 'duplicate' ? ['DUPLICATE, adds nothing'] : []),
        ...(verdict === 'void' ? ['VOID, takes it back'] : []),
        ...(verdict === 'unknown_void' ? ['VOID of an event not counted, adds nothing'] : []),
        ...(late ? ['late'] : []),
      ];
      const place = `${topic}/${partition}/${offset}`;
      const mark = marks.length === 0 ? '' : `  ${marks.join(', ')}`;
      return `  ${place}  ${time}  ${printable(source)}  ${printable(id)}  used ${used}, rounded ${rounded}, sum ${sum}${mark}\n`;
    },
    endLine: ({ counted, duplicates, late, sum, quantity, agrees, missing }) => {
      const verdict = agrees ? 'as the line says' : `BUT THE LINE SAYS ${groupDigits(quantity)}`;
      const gaps = missing.map((gap) => `  The log has lost some events: ${gap}\n`).join('');
      return (
        `  ${groupDigits(counted)} events (${late} late), ${duplicates} duplicates: ` +
        `${groupDigits(sum)}, ${verdict}.\n${gaps}\n`
      );
    },
    end: () => '',
  };
}

interface CsvRow extends ExplainedEvent {
  readonly line: number;
}

const CSV: readonly CsvColumn<CsvRow>[] = [
  ['line', ({ line }) => String(line), 'exact'],
  ['topic', ({ topic }) => topic],
  ['partition', ({ partition }) => String(partition), 'exact'],
  ['offset', ({ offset }) => String(offset), 'exact'],
  ['time', ({ time }) => time, 'exact'],
  ['source', ({ source }) => source],
  ['id', ({ id }) => id],
  ['used', ({ used }) => used, 'exact'],
  ['rounded', ({ rounded }) => rounded, 'exact'],
  ['verdict', ({ verdict }) => verdict, 'exact'],
  ['late', ({ late }) => String(late), 'exact'],
  ['sum', ({ sum }) => sum, 'exact'],
];

function csvWriter(): ExplanationWriter {
  let line = 0;
  return {
    begin: () => csvHeader(CSV),
    beginLine: (number) => {
      line = number;
      return '';
    },
    event: (event) => csvRows(CSV, [{ ...event, line }]),
    endLine: ({ agrees, sum, quantity, missing }) => {
      if (!agrees) printNote(`Line ${line}: the events add up to ${sum}, but the line says ${quantity}.`);
      for (const gap of missing) printNote(`Line ${line}: the log has lost some events: ${gap}`);
      return '';
    },
    end: () => '',
  };
}

const WRITERS = { table: textWriter, json: jsonExplanation, csv: csvWriter };
