import { Command, InvalidArgumentError, Option } from 'commander';
import { usageConsumers } from '../../../../consumers';
import {
  checkCountingSettings,
  countingSettings,
  isComplete,
  recordBegins,
  recordSettings,
} from '../../../installation/settings';
import { noteTopicIds } from '../../../ingest/guards/note-topic-ids';
import { deletedTopics, topicsDeleted } from '../../../installation/used-topics';
import { EMPTIED_MESSAGE, isRedisEmptied } from '../../../installation/redis-emptied';
import { EXIT } from '../../../lib/error-codes';
import { TallymanError } from '../../../lib/errors';
import { createPublisher } from '../../../kafka/producer';
import {
  checkCoPartitioned,
  createTopics,
  logEnds,
  logStarts,
  missingTopics,
  topicName,
  type TimestampSource,
} from '../../../kafka/topics/topics';
import { initCursor, readCursors } from '../../../redis/cursors';
import { writeShardCount } from '../../../redis/usage/read-usage';
import type { Store } from '../../../redis/store';
import { withContext, type Context } from '../../../installation/context';
import { printJson, printLine } from '../../lib/output';

export function verb(): Command {
  return new Command('init')
    .description('Create the topics and the cursors. Safe to repeat: what is there is left as it is.')
    .addOption(
      new Option('--from <where>', 'where new cursors begin')
        .choices(['earliest', 'latest'])
        .default('earliest'),
    )
    .option('--partitions <n>', 'partitions of each usage topic', positiveInteger, 12)
    .option('--replication <n>', 'copies of each partition', positiveInteger, 1)
    .option('--retention-days <n>', 'how long usage topics keep events', positiveInteger, 100)
    .addOption(
      new Option(
        '--timestamps <whose>',
        'who dates the records of new usage topics: the broker, or the producer',
      )
        .choices(['append', 'create'])
        .default('append'),
    )
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman init
  tallyman init --partitions 24 --replication 3
  tallyman init --timestamps create       replay or migrate records with their own timestamps
  tallyman init --from latest             count only what is published from now on`,
    )
    .action(
      async (options: {
        from: 'earliest' | 'latest';
        partitions: number;
        replication: number;
        retentionDays: number;
        timestamps: TimestampSource;
        json?: true;
      }) => {
        await withContext(async (context) => {
          const { config } = context;
          const kafka = context.kafka();
          const store = await context.store();
          const deleted = await deletedTopics(
            ...([kafka, store, config.prefix, await missingTopics(kafka, config.prefix)] as const),
          );
          if (deleted.length > 0) throw topicsDeleted(deleted);
          const created = await createTopics(kafka, config.prefix, options);
          const partitionCount = await checkCoPartitioned(kafka, config.prefix);
          const topics = usageConsumers.map(({ topic }) => topicName(config.prefix, topic));
          await refuseEmptied(context, store);
          await noteTopicIds(kafka, store, topics);
          const offsets = await (options.from === 'earliest' ? logStarts : logEnds)(kafka, topics);
          const begins = await recordCounting(context, topics, partitionCount, offsets);
          // Before the cursors: a shard beyond the last one that is noted is taken for a note that was lost.
          await writeShardCount(store, partitionCount);
          let newCursors = 0;
          for (const [shard, cursors] of begins) {
            for (const [topic, offset] of cursors) {
              if (await initCursor(store, shard, topic, offset)) newCursors += 1;
            }
          }
          if (options.json) printJson({ topics: created, partitions: partitionCount, cursors: newCursors });
          else {
            printLine(
              created.length > 0 ? `Created topics: ${created.join(', ')}` : 'All topics were there.',
            );
            printLine(
              `Created ${newCursors} cursors of ${topics.length * partitionCount} (${options.from}).`,
            );
          }
        });
      },
    );
}

/**
 * Records, before any cursor is made, what a recount of the log must know besides the log: the settings, and where each
 * partition begins to count. What is recorded stays: a cursor that is made again is made where it was made first.
 *
 * @returns shard -> topic -> where its cursor begins
 */
async function recordCounting(
  context: Context,
  topics: readonly string[],
  partitionCount: number,
  offsets: ReadonlyMap<string, readonly number[]>,
): Promise<Map<number, Map<string, number>>> {
  const { config } = context;
  const own = countingSettings(config);
  // What an older version did not record is this environment's to choose, once.
  const { settings, begins: recorded } = await checkCountingSettings(context.kafka(), config, {
    unrecorded: own,
  });
  const begins = new Map<number, Map<string, number>>();
  const added = new Map<number, Map<string, number>>();
  for (let shard = 0; shard < partitionCount; shard += 1) {
    const before = recorded.get(shard) ?? new Map<string, number>();
    const cursors = await readCursors(await context.store(), shard);
    const missing = topics.filter((topic) => !before.has(topic) && !cursors.has(topic));
    const all = new Map([
      ...before,
      ...missing.map((topic): [string, number] => [topic, offsets.get(topic)?.[shard] ?? 0]),
    ]);
    begins.set(shard, all);
    if (missing.length > 0) added.set(shard, all);
  }
  if (isComplete(settings) && added.size === 0) return begins;
  const publisher = await createPublisher(context.kafka());
  try {
    if (!isComplete(settings)) await recordSettings(publisher, config.prefix, own);
    await recordBegins(publisher, config.prefix, added);
  } finally {
    await publisher.close();
  }
  return begins;
}

/**
 * A Redis without any cursor beside ledgers with records was emptied. New cursors alone would count its events again,
 * but without its projects' plans and its closes.
 */
async function refuseEmptied({ config, kafka }: Context, store: Store): Promise<void> {
  if (await isRedisEmptied(kafka(), store, config.prefix))
    throw new TallymanError('REDIS_EMPTIED', EMPTIED_MESSAGE, {}, { exit: EXIT.refused });
}

function positiveInteger(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError(`"${text}" is no positive integer.`);
  return Number(text);
}
