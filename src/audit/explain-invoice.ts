import { usageConsumers } from '../../consumers';
import type { UsageConsumer } from '../../consumers/usage-consumer';
import type { Invoice } from '../billing/invoice/invoice';
import type { Context } from '../installation/context';
import { readCloseRecords } from '../installation/ledgers/restore-closes';
import { replayHorizon } from '../installation/replay-horizon';
import { checkCountingSettings, type CountingRecord } from '../installation/recorded-settings';
import { logRanges, topicName } from '../kafka/topics/topics';
import { TallymanError } from '../lib/errors';
import type { Progress } from '../lib/progress';
import { roundingTable } from '../rating/rounding';
import { readCursor } from '../redis/cursors';
import { readCutOffs } from '../redis/cut-offs';
import { laneOf, partitionsOf } from '../redis/usage/lanes';
import { placeProjects, readShardCount } from '../redis/usage/read-usage';
import {
  explainLine,
  subjectOf,
  type ExplainedEvent,
  type ExplainedPartition,
  type ExplainRange,
  type LineSubject,
} from './explain-line';

/** The parts of a context that an explanation reads. */
export type ExplainContext = Pick<Context, 'config' | 'calendar' | 'kafka' | 'store'>;

/** What the log contains about one line. */
export interface Explained {
  readonly counted: number;
  readonly duplicates: number;
  readonly late: number;
  readonly sum: string;
  readonly quantity: string;
  readonly agrees: boolean;
  /** The ranges that the log no longer holds. */
  readonly missing: readonly string[];
}

/**
 * The lines of an invoice that are based on events: the requested one, or all.
 *
 * @param wanted a line's number, from 1
 * @throws TallymanError `NO_USAGE_LINE`
 */
export function linesToExplain(
  invoice: Invoice,
  wanted: number | undefined,
  aliasesIn: (month: string) => ReadonlyMap<string, string>,
): { number: number; subject: LineSubject }[] {
  const found = invoice.lines.flatMap((line, i) => {
    const subject = subjectOf(invoice, line, aliasesIn);
    return subject === undefined || (wanted ?? i + 1) !== i + 1 ? [] : [{ number: i + 1, subject }];
  });
  if (wanted === undefined || found.length > 0) return found;
  const line = invoice.lines[wanted - 1];
  throw new TallymanError(
    'NO_USAGE_LINE',
    line === undefined
      ? `${invoice.id} has ${invoice.lines.length} lines, so there is no line ${wanted}.`
      : `Line ${wanted} of ${invoice.id} ("${line.description}") is about money alone. There are no events behind it.`,
    { invoice: invoice.id, line: wanted },
  );
}

/** Explains lines of one invoice, each from its own part of the log. */
export function createLineExplainer(
  context: ExplainContext,
  invoice: Invoice,
  progress: Progress,
): (subject: LineSubject, onEvent: OnEvent) => Promise<Explained> {
  const ranges = rangesOf(context, invoice, progress);
  return async (subject, onEvent) => explain(subject, await ranges(subject), onEvent);
}

type OnEvent = (event: ExplainedEvent) => Promise<void>;

async function explain(
  subject: LineSubject,
  { ranges, missing }: Ranges,
  onEvent: OnEvent,
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

/**
 * The ranges that can contain the events of a line: the partitions whose shards hold totals of the
 * project, up to the month's cut-off.
 */
function rangesOf(
  context: ExplainContext,
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
    const shards = await readShardCount(store);
    for (const shard of placed!.shards) {
      const freezes = await readCutOffs(store, shard);
      const frozen = freezes.get(invoice.month);
      const partitions: ExplainedPartition[] = [];
      for (const partition of partitionsOf(shard, { shards, partitions: log.length })) {
        const lane = laneOf(topic, partition, shards);
        const begin = begins.get(shard)?.get(lane) ?? 0;
        const needed = replayHorizon(invoice.month, {
          ...{ shard, lane, closes, begin, calendar },
          futureMs: config.limits.futureMs,
        });
        const from = Math.max(needed, log[partition]?.start ?? 0);
        if (from > needed)
          missing.push(
            `${topic}/${partition} begins at offset ${from}, and the explanation needs it from ${needed}`,
          );
        // A partition that a cut-off does not name was added after it.
        const to = frozen ? (frozen.get(lane) ?? 0) : ((await readCursor(store, shard, lane)) ?? 0);
        partitions.push({ partition, lane, from, to });
      }
      ranges.push({
        ...{ client, fingerprinter: store.fingerprinter, rating, consumer, topic, partitions, freezes },
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
