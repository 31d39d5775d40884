import { once } from 'node:events';
import { Command, InvalidArgumentError } from 'commander';
import { usageConsumers } from '../../../../consumers';
import type { UsageConsumer } from '../../../../consumers/usage-consumer';
import type { Invoice } from '../../../billing/invoice/invoice';
import { loadCatalog } from '../../../installation/catalog-file';
import { checkCountingSettings, type CountingRecord } from '../../../installation/settings';
import { TallymanError } from '../../../lib/errors';
import { createProgress, type Progress } from '../../../lib/progress';
import { roundingTable } from '../../../rating/rounding';
import { neededFrom } from '../../../installation/replay-horizon';
import {
  explainLine,
  subjectOf,
  type ExplainedEvent,
  type ExplainRange,
  type LineSubject,
} from '../../../audit/explain-line';
import { readCloseRecords } from '../../../installation/ledgers/restore-closes';
import { logRanges, topicName } from '../../../kafka/topics/topics';
import { readCursor } from '../../../redis/cursors';
import { readFreezes } from '../../../redis/cut-offs';
import { placeProjects } from '../../../redis/usage/read-usage';
import { checkRebuilt } from '../../../redis/rebuilding';
import { caughtUp } from '../../../ingest/caught-up';
import { withContext, type Context } from '../../../installation/context';
import { findInvoice, INVOICE_ARGUMENT } from '../../lib/find-invoice';
import { groupDigits, printable } from '../../lib/output';

const EXIT_DIFFERENT = 1;

export function verb(): Command {
  return new Command('explain')
    .description(
      'The events behind the lines of an invoice, from Kafka, with their rounding and running sum.',
    )
    .argument('<invoice>', INVOICE_ARGUMENT)
    .argument(
      '[line]',
      'its number, from 1, as `invoices show` lists them; every usage line by default',
      lineArgument,
    )
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
A time is in seconds, transfer in bytes, the rest in tokens, characters or events. Repeats are marked and add nothing.
Exit code 1: the events do not come to what the line says, or the log no longer has them all.

Examples:
  tallyman explain acme-2026-10 2
  tallyman explain acme-2026-10 --json | jq '.lines[].events[].id'`,
    )
    .action(async (id: string, line: number | undefined, options: { json?: true }) => {
      await withContext((context) => explain(context, id, line, options.json === true));
    });
}

function lineArgument(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text))
    throw new InvalidArgumentError(`"${text}" is no line number: 1 is the first.`);
  return Number(text);
}

/** What was found of one line. */
interface Explained {
  readonly counted: number;
  readonly duplicates: number;
  readonly late: number;
  readonly sum: string;
  readonly quantity: string;
  readonly agrees: boolean;
  /** What the log no longer has. */
  readonly missing: readonly string[];
}

async function explain(
  context: Context,
  id: string,
  wanted: number | undefined,
  json: boolean,
): Promise<void> {
  const store = await caughtUp(context, 'invoices');
  await checkRebuilt(store);
  const invoice = await findInvoice(store, id);
  const { aliases } = loadCatalog(context.config.catalogPath).catalog;
  const subjects = linesToExplain(invoice, wanted, aliases);
  const progress = createProgress(`explain ${id}`);
  const ranges = rangesOf(context, invoice, progress);
  const out = json ? jsonWriter(invoice) : textWriter(invoice);
  await write(out.begin());
  for (const { number, subject } of subjects) {
    await write(out.beginLine(number));
    const explained = await pass(subject, await ranges(subject), (event) => write(out.event(event)));
    if (!explained.agrees) process.exitCode = EXIT_DIFFERENT;
    await write(out.endLine(explained));
  }
  progress.end();
  await write(out.end());
}

function linesToExplain(
  invoice: Invoice,
  wanted: number | undefined,
  aliases: ReadonlyMap<string, string>,
): { number: number; subject: LineSubject }[] {
  const found = invoice.lines.flatMap((line, i) => {
    const subject = subjectOf(invoice, line, aliases);
    return subject === undefined || (wanted ?? i + 1) !== i + 1 ? [] : [{ number: i + 1, subject }];
  });
  if (wanted === undefined || found.length > 0) return found;
  const line = invoice.lines[wanted - 1];
  throw new TallymanError(
    'NO_USAGE_LINE',
    line === undefined
      ? `${invoice.id} has ${invoice.lines.length} lines, no line ${wanted}.`
      : `Line ${wanted} of ${invoice.id} ("${line.description}") is about money alone: no events are behind it.`,
    { invoice: invoice.id, line: wanted },
  );
}

async function pass(
  subject: LineSubject,
  { ranges, missing }: Ranges,
  onEvent: (event: ExplainedEvent) => Promise<void>,
): Promise<Explained> {
  let sum = 0n;
  let counted = 0;
  let duplicates = 0;
  let late = 0;
  for (const range of ranges) {
    for await (const event of explainLine(range, subject, sum)) {
      sum = BigInt(event.sum);
      if (event.verdict === 'duplicate') duplicates += 1;
      else if (event.verdict === 'counted') {
        counted += 1;
        if (event.late) late += 1;
      }
      await onEvent(event);
    }
  }
  const agrees = sum === subject.quantity;
  const quantity = subject.quantity.toString();
  return { counted, duplicates, late, sum: sum.toString(), quantity, agrees, missing };
}

interface Ranges {
  readonly ranges: readonly ExplainRange[];
  readonly missing: readonly string[];
}

/** Where the events of a line can lie: in the partitions whose shards hold totals of the project, up to the freeze. */
function rangesOf(
  context: Context,
  invoice: Invoice,
  progress: Progress,
): (subject: LineSubject) => Promise<Ranges> {
  const { config, calendar } = context;
  const rating = { rounding: roundingTable(config.rounding), calendar, limits: config.limits };
  let counting: Promise<CountingRecord> | undefined;
  let read = 0;
  return async (subject) => {
    const store = await context.store();
    const client = context.kafka();
    const consumer = consumerOf(subject.key);
    const topic = topicName(config.prefix, consumer.topic);
    const closes = [...(await readCloseRecords(client, config.prefix)).values()];
    const { begins } = await (counting ??= checkCountingSettings(client, config));
    const log = (await logRanges(client, [topic])).get(topic) ?? [];
    const [placed] = await placeProjects(store, invoice.month, [invoice.project]);
    const ranges: ExplainRange[] = [];
    const missing: string[] = [];
    for (const shard of placed!.shards) {
      const freezes = await readFreezes(store, shard);
      const begin = begins.get(shard)?.get(topic) ?? 0;
      const needed = neededFrom(invoice.month, {
        ...{ topic, shard, closes, begin, calendar },
        futureMs: config.limits.futureMs,
      });
      const from = Math.max(needed, log[shard]?.start ?? 0);
      if (from > needed)
        missing.push(`${topic}/${shard} begins at offset ${from}, and is needed from ${needed}`);
      const to = freezes.get(invoice.month)?.get(topic) ?? (await readCursor(store, shard, topic)) ?? 0;
      ranges.push({
        ...{
          client,
          fingerprinter: store.fingerprinter,
          rating,
          consumer,
          topic,
          partition: shard,
          from,
          to,
          freezes,
        },
        onRead: (records) => progress.update((read += records)),
      });
    }
    return { ranges, missing };
  };
}

/** The consumer whose events have a meter: `usage.agent` for `agent.session`. */
function consumerOf(key: string): UsageConsumer {
  const name = key.slice(0, key.indexOf('.'));
  return usageConsumers.find((consumer) => consumer.name === name)!;
}

async function write(text: string): Promise<void> {
  if (text !== '' && !process.stdout.write(text)) await once(process.stdout, 'drain');
}

/** Writes what is found as it is found: a line may have millions of events. */
interface Writer {
  begin(): string;
  beginLine(number: number): string;
  event(event: ExplainedEvent): string;
  endLine(explained: Explained): string;
  end(): string;
}

function textWriter(invoice: Invoice): Writer {
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
      const gaps = missing.map((gap) => `  The log has lost some: ${gap}\n`).join('');
      return (
        `  ${groupDigits(String(counted))} events (${late} late), ${duplicates} repeats: ` +
        `${groupDigits(sum)}, ${verdict}.\n${gaps}\n`
      );
    },
    end: () => '',
  };
}

function jsonWriter(invoice: Invoice): Writer {
  let lines = 0;
  let events = 0;
  return {
    begin: () => `{"invoice":${JSON.stringify(invoice.id)},"lines":[`,
    beginLine: (number) => {
      events = 0;
      const line = JSON.stringify({ number, ...invoice.lines[number - 1]! });
      return `${(lines += 1) > 1 ? ',' : ''}\n{"line":${line},"events":[`;
    },
    event: (event) => `${(events += 1) > 1 ? ',' : ''}\n${JSON.stringify(event)}`,
    endLine: (explained) => `],\n${JSON.stringify(explained).slice(1)}`,
    end: () => ']}\n',
  };
}
