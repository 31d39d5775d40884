import { Command, InvalidArgumentError } from 'commander';
import type { DeadLetter } from '../stream/dead-letters';
import { readLedger } from '../stream/ledger';
import { topicName } from '../stream/topics';
import { withContext, type Context } from './context';
import { printJson, printLine, printTable } from './output';

export function deadLettersVerb(): Command {
  return new Command('dead-letters')
    .description('Events that could not be counted, with their reasons.')
    .addCommand(
      new Command('list')
        .description('List dead letters, newest last.')
        .option('--reason <reason>', 'only those with this reason')
        .option('--limit <n>', 'show the newest n', limitArgument, 50)
        .option('--json', 'one JSON document on stdout')
        .action(async (options: { reason?: string; limit: number; json?: true }) => {
          await withContext(async (context) => {
            const all = await readDeadLetters(context);
            const matching = all.filter(
              ({ reason }) => options.reason === undefined || reason === options.reason,
            );
            const shown = matching.slice(-options.limit);
            const byReason = countByReason(matching);
            if (options.json) {
              printJson({ count: matching.length, byReason, deadLetters: shown });
              return;
            }
            if (matching.length === 0) {
              printLine('No dead letters.');
              return;
            }
            printTable(
              [
                { title: 'where', of: (letter) => `${letter.topic}/${letter.partition}/${letter.offset}` },
                { title: 'when', of: (letter) => new Date(letter.timestamp).toISOString() },
                { title: 'reason', of: (letter) => letter.reason },
                { title: 'detail', of: (letter) => shorten(letter.detail) },
              ],
              shown,
            );
            const counts = Object.entries(byReason).map(([reason, count]) => `${count} ${reason}`);
            printLine(`${matching.length} in all: ${counts.join(', ')}`);
          });
        }),
    )
    .addCommand(
      new Command('show')
        .description('Show one dead letter whole, with its value decoded where it is text.')
        .argument('<place>', '<topic>/<partition>/<offset>, as `list` prints it')
        .action(async (place: string) => {
          await withContext(async (context) => {
            const letter = (await readDeadLetters(context)).find(
              ({ topic, partition, offset }) => `${topic}/${partition}/${offset}` === place,
            );
            if (!letter) throw new InvalidArgumentError(`There is no dead letter of ${place}.`);
            const text = letter.value === null ? null : Buffer.from(letter.value, 'base64').toString('utf8');
            printJson({ ...letter, text });
          });
        }),
    );
}

/** After a crash the same dead letter may stand twice under its key: the last one counts. */
async function readDeadLetters({ config, kafka }: Context): Promise<DeadLetter[]> {
  const byKey = new Map<string, DeadLetter>();
  await readLedger(kafka(), topicName(config.prefix, 'usage.dead-letters'), (key, value) => {
    if (value !== null) byKey.set(key, JSON.parse(value) as DeadLetter);
  });
  return [...byKey.values()].sort((a, b) => a.timestamp - b.timestamp);
}

function countByReason(letters: readonly DeadLetter[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of letters) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

function shorten(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

function limitArgument(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError(`"${text}" is no positive integer.`);
  return Number(text);
}
