import { Command } from 'commander';
import { consumerOfType, usageConsumers } from '../../../../consumers';
import { decodeEvent, VALUE_BYTES_MAX } from '../../../../consumers/decode/decode-event';
import { TallymanError } from '../../../lib/errors';
import { inputFile, type InputFile } from '../../../lib/text/input-file';
import { createProgress } from '../../../lib/progress';
import { describeValue, shortened } from '../../../lib/text/describe-value';
import { createPublisher, type PublishRecord, type Publisher } from '../../../kafka/producer';
import { topicName } from '../../../kafka/topics/topics';
import { byteLines, startsWithByteOrderMark, utf8Problem } from '../../../lib/text/text-lines';
import { withContext, type Context } from '../../../installation/context';
import { printJson, printLine } from '../../lib/output';

/** Lines per request: enough for the broker to compress well, and few enough to hold in memory. */
const BATCH_LINES = 2_000;
const PROBLEMS_SHOWN = 20;

export function verb(): Command {
  return new Command('publish')
    .description('Publish usage events (CloudEvents, one JSON object per line) to the topic of their type.')
    .argument('<files...>', 'NDJSON files in UTF-8; - for stdin')
    .option('--check', 'publish nothing, and report every line that the consumers would reject')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
The bytes of each line are published as they are. Files are read twice: if a line is not UTF-8, is not JSON, or has
a type without a topic, nothing is published. Input that can be read only once (stdin, a pipe) is published up to such a
line, and the message says how many events were published. An event counts once, however often it is published.

Examples:
  tallyman publish --check october/*.ndjson && tallyman publish october/*.ndjson
  producer | tallyman publish -`,
    )
    .action(async (files: string[], options: { check?: true; json?: true }) => {
      await withContext(async (context) => {
        const inputs: InputFile[] = [];
        for (const file of files) inputs.push(await inputFile(file));
        if (options.check) {
          const checked = await checkEvents(context, inputs);
          if (options.json) printJson({ checked });
          else
            printLine(
              `Checked ${checked.toLocaleString('en-US')} events: all are valid. Nothing was published.`,
            );
          return;
        }
        await checkRoutes(inputs.filter(({ isRepeatable }) => isRepeatable));
        const published = await publishInputs(context, inputs);
        if (options.json) printJson({ published });
        else printLine(`Published ${published.toLocaleString('en-US')} events.`);
      });
    });
}

/** A line with its place, and its topic and key, or why it has none. */
interface RoutedLine {
  readonly at: string;
  readonly bytes: Buffer;
  readonly route: Route | string;
}

interface Route {
  /** The topic, without the installation's prefix. */
  readonly topic: string;
  readonly project: string;
}

async function* routedLines(input: InputFile): AsyncGenerator<RoutedLine, void, undefined> {
  for await (const { number, bytes, length } of byteLines(input.chunks(), VALUE_BYTES_MAX)) {
    const at = `${input.name}:${number}`;
    if (length > VALUE_BYTES_MAX) {
      yield { at, bytes, route: `has ${length} bytes, and an event may have at most ${VALUE_BYTES_MAX}` };
    } else if (!isBlank(bytes)) yield { at, bytes, route: routeOf(bytes) };
  }
}

/** Blank by the rules of JSON. */
function isBlank(bytes: Buffer): boolean {
  return bytes.every((byte) => byte === 0x20 || byte === 0x09 || byte === 0x0d);
}

/**
 * Finds the topic and the key of an event. Only these two are needed to publish; the consumer
 * judges the rest.
 */
function routeOf(bytes: Buffer): Route | string {
  const problem = utf8Problem(bytes);
  if (problem !== undefined) return problem;
  if (startsWithByteOrderMark(bytes))
    return 'begins with a byte order mark (EF BB BF), which JSON does not allow';
  let event: unknown;
  try {
    event = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    return `is not JSON: ${shortened((error as Error).message, 200)}`;
  }
  const { type, subject, data } = (event ?? {}) as { type?: unknown; subject?: unknown; data?: unknown };
  const { type: voidedType } = (data ?? {}) as { type?: unknown };
  const consumer = consumerOfType(type, () => voidedType);
  if (typeof consumer === 'string') return consumer;
  if (typeof subject !== 'string') return `subject is ${describeValue(subject)} and must be a project id`;
  return { topic: consumer.topic, project: subject };
}

/** Reads every line before the first is published. */
async function checkRoutes(inputs: readonly InputFile[]): Promise<void> {
  const problems = new Problems();
  const progress = createProgress('check');
  let checked = 0;
  for (const input of inputs) {
    for await (const { at, route } of routedLines(input)) {
      if (typeof route === 'string') problems.add(at, route);
      progress.update((checked += 1));
    }
  }
  progress.end();
  problems.throwIfAny('BAD_LINE', 'Nothing was published:');
}

/** Validates every line as the consumers would. */
async function checkEvents({ config }: Context, inputs: readonly InputFile[]): Promise<number> {
  const problems = new Problems();
  const progress = createProgress('check');
  let checked = 0;
  for (const input of inputs) {
    for await (const { at, bytes, route } of routedLines(input)) {
      progress.update((checked += 1));
      if (typeof route === 'string') {
        problems.add(at, route);
        continue;
      }
      const consumer = usageConsumers.find(({ topic }) => topic === route.topic)!;
      const message = { offset: 0, timestampMs: Date.now(), value: bytes };
      const decoded = decodeEvent(consumer, message, config.limits);
      if (!decoded.ok) problems.add(at, `${decoded.reason}: ${decoded.detail}`, ':');
    }
  }
  progress.end();
  problems.throwIfAny('BAD_EVENTS', 'These events would be rejected. Nothing was published:');
  return checked;
}

/** Counts problems, and keeps the first few to show them. */
class Problems {
  private readonly first: string[] = [];
  private count = 0;

  add(at: string, problem: string, separator = ''): void {
    this.count += 1;
    if (this.first.length < PROBLEMS_SHOWN) this.first.push(`${at}${separator} ${problem}`);
  }

  throwIfAny(code: 'BAD_LINE' | 'BAD_EVENTS', title: string): void {
    if (this.count === 0) return;
    const more = this.count > this.first.length ? [`... and ${this.count - this.first.length} more`] : [];
    throw new TallymanError(code, [title, ...this.first, ...more].join('\n  '), { count: this.count });
  }
}

async function publishInputs(context: Context, inputs: readonly InputFile[]): Promise<number> {
  const publisher = await createPublisher(context.kafka());
  const progress = createProgress('publish');
  const batch = new Batch(publisher, context.config.prefix);
  try {
    for (const input of inputs) {
      for await (const { at, bytes, route } of routedLines(input)) {
        if (typeof route === 'string') {
          await batch.flush();
          throw new TallymanError(
            'BAD_LINE',
            `${at} ${route}. The ${batch.published} events before it were published. It and the lines after it were not.`,
            { at, published: batch.published },
          );
        }
        await batch.add(route, bytes);
        progress.update(batch.published);
      }
    }
    await batch.flush();
  } finally {
    progress.end();
    await publisher.close();
  }
  return batch.published;
}

/** Events on their way to Kafka, by topic. */
class Batch {
  published = 0;
  private lines = 0;
  private byTopic = new Map<string, PublishRecord[]>();

  constructor(
    private readonly publisher: Publisher,
    private readonly prefix: string,
  ) {}

  async add({ topic, project }: Route, bytes: Buffer): Promise<void> {
    const records = this.byTopic.get(topic) ?? [];
    this.byTopic.set(topic, records);
    records.push({ key: project, value: bytes });
    this.lines += 1;
    if (this.lines >= BATCH_LINES) await this.flush();
  }

  async flush(): Promise<void> {
    const { byTopic, lines } = this;
    this.byTopic = new Map();
    this.lines = 0;
    for (const [topic, records] of byTopic)
      await this.publisher.publish(topicName(this.prefix, topic), records);
    this.published += lines;
  }
}
