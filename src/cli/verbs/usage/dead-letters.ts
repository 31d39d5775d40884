import { Command, InvalidArgumentError } from 'commander';
import type { CsvColumn } from '../../../billing/invoice/csv-writer';
import { countBeyondIds } from '../../../dead-letters/beyond-dedup-window';
import { TallymanError } from '../../../lib/errors';
import { createProgress } from '../../../lib/progress';
import {
  listDeadLetters,
  placeOf,
  readDeadLetters,
  type DeadLetterEntry,
} from '../../../dead-letters/read-dead-letters';
import type { DeadLetter } from '../../../dead-letters/dead-letter';
import { createPublisher } from '../../../kafka/producer';
import { createRecordRater } from '../../../dead-letters/record-rater';
import { replayDeadLetters, type ReplayReport } from '../../../dead-letters/replay-dead-letters';
import { topicName } from '../../../kafka/topics/topics';
import { timeArgument } from '../../lib/arguments';
import { withContext, type Context } from '../../../installation/context';
import { printList, withOutput, type OutputOptions } from '../../lib/list-output';
import { printJson, printLine, printTable } from '../../lib/output';

interface Filters {
  readonly reason?: string;
  readonly topic?: string;
  readonly since?: number;
  readonly until?: number;
  readonly key?: string;
}

export function verb(): Command {
  return new Command('dead-letters')
    .description('List, show and replay events that were rejected.')
    .addHelpText(
      'after',
      `
Examples:
  tallyman dead-letters list --reason schema_violation
  tallyman dead-letters show usage.session/3/90117
  tallyman dead-letters replay --dry-run`,
    )
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(replayCommand());
}

function withFilters(command: Command): Command {
  return command
    .option('--reason <reason>', 'only dead letters with this reason')
    .option('--topic <topic>', 'only dead letters of this topic, e.g. usage.session')
    .option('--since <time>', 'only dead letters of records from this time on (ISO 8601)', timeArgument)
    .option('--until <time>', 'only dead letters of records before this time', timeArgument)
    .option('--key <key>', 'only dead letters of records with this key');
}

function listCommand(): Command {
  return withOutput(withFilters(new Command('list').description('List dead letters, the newest last.')))
    .option('--limit <n>', 'show the newest n', limitArgument, 50)
    .addHelpText(
      'after',
      `
Examples:
  tallyman dead-letters list --topic usage.session --since 2026-11-01T00:00:00Z
  tallyman dead-letters list --output csv --limit 100000 > rejected.csv
  tallyman dead-letters list --json | jq .byReason`,
    )
    .action(async (options: Filters & OutputOptions & { limit: number }) => {
      await withContext(async (context) => {
        const { config, kafka } = context;
        const matching = await select(context, options);
        const newest = matching.slice(-options.limit);
        const byReason = countBy(matching, ({ reason }) => reason);
        const count = matching.length;
        const replayed = replayedIn(matching);
        await printList(options, {
          rows: newest,
          csv: CSV,
          document: async () => {
            const whole = new Map<string, DeadLetter>();
            for await (const letter of readDeadLetters(kafka(), config.prefix, newest))
              whole.set(placeOf(letter), letter);
            const deadLetters = newest.flatMap((entry) => whole.get(placeOf(entry)) ?? []);
            const byTopic = countBy(matching, ({ topic }) => topic);
            return { count, byReason, byTopic, replayed, deadLetters };
          },
          table: () => {
            if (count === 0) {
              printLine('No dead letters.');
              return;
            }
            printTable(
              [
                { title: 'where', of: placeOf },
                { title: 'when', of: whenOf },
                { title: 'reason', of: ({ reason }) => reason },
                { title: 'replayed', of: ({ replayedAt }) => replayedAt ?? '' },
                { title: 'detail', of: ({ detail }) => shorten(detail) },
              ],
              newest,
            );
            const counts = Object.entries(byReason).map(([reason, of]) => `${of} ${reason}`);
            printLine(`${count} in all: ${counts.join(', ')}; ${replayed} of them replayed.`);
          },
        });
      });
    });
}

const whenOf = ({ timestamp }: DeadLetterEntry): string => new Date(timestamp).toISOString();

const CSV: readonly CsvColumn<DeadLetterEntry>[] = [
  ['place', placeOf],
  ['timestamp', whenOf, 'exact'],
  ['reason', ({ reason }) => reason, 'exact'],
  ['replayedAt', ({ replayedAt }) => replayedAt ?? '', 'exact'],
  ['detail', ({ detail }) => detail],
];

function showCommand(): Command {
  return new Command('show')
    .description('Show one dead letter in full, with its value decoded if it is text.')
    .argument('<place>', '<topic>/<partition>/<offset>, as `list` prints it')
    .option('--json', 'accepted for consistency: the output is always JSON')
    .addHelpText(
      'after',
      `
Examples:
  tallyman dead-letters show usage.session/3/90117`,
    )
    .action(async (place: string) => {
      await withContext(async ({ config, kafka }) => {
        const entries = await listDeadLetters(kafka(), config.prefix);
        const wanted = entries.filter((entry) => placeOf(entry) === place);
        for await (const letter of readDeadLetters(kafka(), config.prefix, wanted)) {
          const text = letter.value === null ? null : Buffer.from(letter.value, 'base64').toString('utf8');
          printJson({ ...letter, text });
          return;
        }
        throw noDeadLetter([place]);
      });
    });
}

function replayCommand(): Command {
  return withFilters(
    new Command('replay')
      .description('Publish the events of dead letters again, after the cause of their rejection is fixed.')
      .argument('[places...]', 'only these dead letters, as `list` prints them'),
  )
    .option('--dry-run', 'show what would be published, and publish nothing')
    .option('--again', 'include those that were replayed before')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
This program judges each event as it is now. Events that it would still reject stay where they are. The others are
published as they were: bytes, key, headers, topic and partition. An event counts once, however often it is replayed, as
long as its id is remembered: for the open month and the one before.

Examples:
  tallyman dead-letters replay --reason schema_violation --since 2026-11-01T00:00:00Z --dry-run
  tallyman dead-letters replay usage.session/3/90117`,
    )
    .action(async (places: string[], options: Filters & { dryRun?: true; again?: true; json?: true }) => {
      await withContext((context) => replay(context, places, options));
    });
}

async function replay(
  context: Context,
  places: readonly string[],
  options: Filters & { dryRun?: true; again?: true; json?: true },
): Promise<void> {
  const { config, calendar, kafka } = context;
  const wanted = new Set(places);
  const selected = (await select(context, options)).filter(
    (entry) => places.length === 0 || wanted.delete(placeOf(entry)),
  );
  if (wanted.size > 0) throw noDeadLetter([...wanted]);
  const entries = selected.filter(({ replayedAt }) => options.again === true || replayedAt === undefined);
  const publisher = options.dryRun ? undefined : await createPublisher(kafka());
  try {
    const report = await replayDeadLetters({
      ...{ client: kafka(), prefix: config.prefix, publisher, entries, nowMs: Date.now() },
      progress: createProgress('replay'),
      rate: createRecordRater(config, calendar),
    });
    const idsForgotten = await countBeyondIds(kafka(), config.prefix, entries);
    const summary = {
      selected: selected.length,
      replayedBefore: selected.length - entries.length,
      dryRun: options.dryRun ?? false,
      idsForgotten,
      ...report,
    };
    if (options.json) printJson(summary);
    else printSummary(summary);
  } finally {
    await publisher?.close();
  }
}

function noDeadLetter(places: readonly string[]): TallymanError {
  return new TallymanError(
    'NO_DEAD_LETTER',
    `There is no dead letter at ${places.join(', ')}. \`tallyman dead-letters list\` prints the places.`,
    { places },
  );
}

function printSummary(
  summary: ReplayReport & {
    selected: number;
    replayedBefore: number;
    dryRun: boolean;
    idsForgotten: number;
  },
): void {
  const { selected, replayedBefore, replayed, refused, incomplete, dryRun, idsForgotten } = summary;
  printLine(
    `${replayed} of ${selected} ${dryRun ? 'would be' : 'were'} published again, ${replayedBefore} had been before, ` +
      `${refused.length} would be rejected again, ${incomplete.length} are incomplete.`,
  );
  const rows = [...refused, ...incomplete.map((one) => ({ ...one, reason: 'incomplete' }))];
  if (rows.length > 0) {
    printTable(
      [
        { title: 'where', of: ({ place }) => place },
        { title: 'reason', of: ({ reason }) => reason },
        { title: 'detail', of: ({ detail }) => shorten(detail) },
      ],
      rows,
    );
  }
  if (idsForgotten > 0) {
    printLine(
      `${idsForgotten} were published before the last but one close. If a corrected copy was counted then, its id is forgotten, ` +
        'and the event counts again.',
    );
  }
}

async function select(
  { config, kafka }: Context,
  { reason, topic, since, until, key }: Filters,
): Promise<DeadLetterEntry[]> {
  const topics = topic === undefined ? undefined : [topic, topicName(config.prefix, topic)];
  return (await listDeadLetters(kafka(), config.prefix)).filter(
    (entry) =>
      (reason === undefined || entry.reason === reason) &&
      (topics === undefined || topics.includes(entry.topic)) &&
      (since === undefined || entry.timestamp >= since) &&
      (until === undefined || entry.timestamp < until) &&
      (key === undefined || entry.key === key),
  );
}

const replayedIn = (letters: readonly DeadLetterEntry[]): number =>
  letters.filter(({ replayedAt }) => replayedAt !== undefined).length;

function countBy(
  letters: readonly DeadLetterEntry[],
  nameOf: (letter: DeadLetterEntry) => string,
): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const letter of letters) counts[nameOf(letter)] = (counts[nameOf(letter)] ?? 0) + 1;
  return counts;
}

function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

function limitArgument(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError(`"${text}" is not a positive integer.`);
  return Number(text);
}
