import { Command } from 'commander';
import { consumerNamed, consumerNames, usageConsumers } from '../../consumers';
import type { CloseRecord } from '../close/close-record';
import { noteTopicIds } from '../close/note-topic-ids';
import { restoreCloses } from '../close/restore-closes';
import { restoreViews } from '../close/restore-views';
import { TallymanError } from '../errors';
import { checkCoPartitioned, logRanges, topicName } from '../stream/topics';
import { readCloses } from '../totals/closes';
import { initCursor, readCursor } from '../totals/cursors';
import { readFreezes } from '../totals/freeze';
import { writeShardCount } from '../totals/read';
import type { Store } from '../totals/store';
import { withContext, type Context } from './context';
import { printJson, printLine } from './output';
import { runConsumers } from './run-consumers';

export function rebuildVerb(): Command {
  return new Command('rebuild')
    .description(
      'Fill an emptied Redis from Kafka: ledgers, closes, and every event that the log still holds.',
    )
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Stop the consumers first. Stopped or killed half-way, run it again: it goes on where it was. On a Redis that lost nothing
it changes nothing. Zone, rounding and limits must be what they were when the events were first counted.`,
    )
    .action(async (options: { json?: true }) => {
      await withContext(async (context) => {
        const views = await rebuild(context);
        if (options.json) printJson(views);
        else
          printLine(
            `Rebuilt: ${views.projects} projects, ${views.closes} closes, ${views.invoices} invoices, all totals.`,
          );
      });
    });
}

async function rebuild(context: Context): ReturnType<typeof restoreViews> {
  const { config, log } = context;
  const kafka = context.kafka();
  const store = await context.store();
  const partitionCount = await checkCoPartitioned(kafka, config.prefix);
  await writeShardCount(store, partitionCount);
  const views = await restoreViews(kafka, store, config.prefix);
  // Before the log: an event that was late must be late again.
  await restoreCloses(kafka, store, config.prefix, log);
  await noteTopics(context, store);
  await createCursors(context, store);
  const end = await runConsumers(context, {
    consumers: consumerNames.map(consumerNamed),
    untilCaughtUp: true,
  });
  if (end === 'interrupted')
    throw new TallymanError('INTERRUPTED', 'Stopped before the end: run it again to go on');
  return views;
}

/** The closes' offsets mean something in their own topics only: late usage of others would pass for timely. */
async function noteTopics({ kafka, config }: Context, store: Store): Promise<void> {
  const [lastClose] = [...(await readCloses(store)).values()].slice(-1);
  const { topicIds } = lastClose === undefined ? {} : (JSON.parse(lastClose) as Partial<CloseRecord>);
  const topics = usageConsumers.map(({ topic }) => topicName(config.prefix, topic));
  await noteTopicIds(kafka(), store, topics, topicIds);
}

/** Cursors at the log's start, if the log still holds all that came after the last close. */
async function createCursors(context: Context, store: Store): Promise<void> {
  const topics = usageConsumers.map(({ topic }) => topicName(context.config.prefix, topic));
  for (const [topic, ranges] of await logRanges(context.kafka(), topics)) {
    for (const [shard, { start }] of ranges.entries()) {
      if ((await readCursor(store, shard, topic)) !== undefined) continue;
      const lastFreeze = [...(await readFreezes(store, shard)).values()].at(-1);
      const needed = lastFreeze?.get(topic) ?? 0;
      if (start > needed) {
        throw new TallymanError(
          'LOG_TOO_SHORT',
          `${topic}/${shard} begins at offset ${start}, and the open month needs it from ${needed}: usage in between ` +
            'would be missing from its totals. Restore Redis from its AOF or a replica, or the topic from a copy.',
          { topic, shard, start, needed },
        );
      }
      await initCursor(store, shard, topic, start);
    }
  }
}
