import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { Command } from 'commander';
import { usageConsumers } from '../../consumers';
import { decodeEvent } from '../../consumers/decode';
import { VOID_TYPE } from '../../consumers/void';
import { UsageError, TallymanError } from '../errors';
import { createProgress } from '../progress';
import { createPublisher } from '../stream/producer';
import { topicName } from '../stream/topics';
import { withContext, type Context } from './context';
import { printJson, printLine } from './output';

/** Lines are sent this many at a time: enough for the broker to compress well, little enough to hold in memory. */
const BATCH_LINES = 2_000;

export function verb(): Command {
  return new Command('publish')
    .description('Publish usage events (CloudEvents, one JSON object a line) to the topic of their type.')
    .argument('<files...>', 'NDJSON files; - for stdin')
    .option('--check', 'validate every event first; publish nothing if one is bad')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman publish usage.ndjson
  producer | tallyman publish -
  tallyman publish --check october/*.ndjson`,
    )
    .action(async (files: string[], options: { check?: true; json?: true }) => {
      await withContext(async (context) => {
        if (options.check) {
          if (files.includes('-'))
            throw new UsageError('CHECK_STDIN', '--check reads its input twice: give files, not -');
          await checkFiles(context, files);
        }
        const published = await publishFiles(context, files);
        if (options.json) printJson({ published });
        else printLine(`Published ${published.toLocaleString('en-US')} events.`);
      });
    });
}

async function publishFiles(context: Context, files: readonly string[]): Promise<number> {
  const publisher = await createPublisher(context.kafka());
  const progress = createProgress('publish');
  let published = 0;
  try {
    for (const file of files) {
      let pending = new Map<string, { key: string; value: string }[]>();
      let pendingLines = 0;
      const flush = async (): Promise<void> => {
        const batches = pending;
        pending = new Map();
        for (const [topic, records] of batches) await publisher.publish(topic, records);
        published += pendingLines;
        pendingLines = 0;
        progress.update(published);
      };
      for await (const { line, at } of linesOf(file)) {
        const route = routeOf(line, at);
        const topic = topicName(context.config.prefix, route.topic);
        const records = pending.get(topic);
        if (records) records.push({ key: route.project, value: line });
        else pending.set(topic, [{ key: route.project, value: line }]);
        if (++pendingLines >= BATCH_LINES) await flush();
      }
      await flush();
    }
  } finally {
    progress.end();
    await publisher.close();
  }
  return published;
}

/** Finds the topic and the key of an event. Only these two are needed to publish; the consumer judges the rest. */
function routeOf(line: string, at: string): { topic: string; project: string } {
  let event: unknown;
  try {
    event = JSON.parse(line);
  } catch (error) {
    throw new TallymanError('BAD_LINE', `${at} is no JSON: ${String(error)}`, { at });
  }
  const { type, subject } = (event ?? {}) as { type?: unknown; subject?: unknown };
  const { type: voidedType } = ((event as { data?: unknown } | null)?.data ?? {}) as { type?: unknown };
  // A void goes where its event went: only there does it find it.
  const routed = type === VOID_TYPE ? voidedType : type;
  const consumer = usageConsumers.find(({ eventType }) => eventType === routed);
  if (!consumer) {
    const known = usageConsumers.map(({ eventType }) => eventType).join(', ');
    throw new TallymanError(
      'BAD_LINE',
      `${at}: "${type === VOID_TYPE ? 'data.type' : 'type'}" is ${JSON.stringify(routed)}, and must be one of ${known}`,
      { at },
    );
  }
  if (typeof subject !== 'string') {
    throw new TallymanError(
      'BAD_LINE',
      `${at}: "subject" must be the project id, and is ${JSON.stringify(subject)}`,
      { at },
    );
  }
  return { topic: consumer.topic, project: subject };
}

/** Validates every line as the consumers would, and reports the first twenty bad ones together. */
async function checkFiles(context: Context, files: readonly string[]): Promise<void> {
  const problems: string[] = [];
  let checked = 0;
  const progress = createProgress('check');
  for (const file of files) {
    for await (const { line, at } of linesOf(file)) {
      progress.update(++checked);
      try {
        const route = routeOf(line, at);
        const consumer = usageConsumers.find(({ topic }) => topic === route.topic);
        if (!consumer) continue;
        const message = { offset: 0, timestampMs: Date.now(), value: Buffer.from(line) };
        const decoded = decodeEvent(consumer, message, context.config.limits);
        if (!decoded.ok) problems.push(`${at}: ${decoded.reason}: ${decoded.detail}`);
      } catch (error) {
        if (!(error instanceof TallymanError)) throw error;
        problems.push(error.message);
      }
    }
  }
  progress.end();
  if (problems.length === 0) return;
  const shown = problems.slice(0, 20);
  const more = problems.length > shown.length ? [`... and ${problems.length - shown.length} more`] : [];
  throw new TallymanError('BAD_EVENTS', ['Nothing was published:', ...shown, ...more].join('\n  '), {
    count: problems.length,
  });
}

async function* linesOf(file: string): AsyncGenerator<{ line: string; at: string }> {
  let input: Readable = process.stdin;
  if (file !== '-') {
    await stat(file).catch((error: unknown) => {
      throw new UsageError('NO_FILE', `cannot read ${file}: ${String(error)}`, { file });
    });
    input = createReadStream(file);
  }
  let number = 0;
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    number += 1;
    if (line.trim() !== '') yield { line, at: `${file === '-' ? 'stdin' : file}:${number}` };
  }
}
