import {
  countingSettings,
  isComplete,
  readCountingRecord,
  recordBegins,
  recordSettings,
  refuseOtherSettings,
  settingsMissing,
  type CountingRecord,
} from '../installation/settings';
import { noteTopicIds } from '../ingest/guards/topic-guard';
import { deletedTopics, topicsDeleted } from '../installation/used-topics';
import { EMPTIED_MESSAGE, isRedisEmptied } from '../installation/redis-emptied';
import { EXIT } from '../lib/error-codes';
import { TallymanError } from '../lib/errors';
import { createProgress } from '../lib/progress';
import { createPublisher } from '../kafka/producer';
import {
  checkCoPartitioned,
  createTopics,
  logEnds,
  logStarts,
  missingTopics,
  ownTopics,
  type TimestampSource,
  topicName,
  usageTopics,
} from '../kafka/topics/topics';
import { checkCopies, findTooFewCopies, raiseCopies } from '../kafka/topics/replication';
import { initCursor, readCursors } from '../redis/cursors';
import { writeShardCount } from '../redis/usage/read-usage';
import type { Store } from '../redis/store';
import type { Context } from '../installation/context';

export interface InitOptions {
  /** Where new cursors begin. */
  readonly from: 'earliest' | 'latest';
  readonly partitions: number;
  /** undefined: new topics have as many copies as the brokers give by default. */
  readonly replication?: number;
  readonly allowOneCopy?: true;
  readonly retentionDays: number;
  readonly timestamps: TimestampSource;
  /** Records the settings of this environment although others may have been recorded and lost. */
  readonly recordSettings?: true;
  /** Reports what would be created, and creates nothing. */
  readonly dryRun?: boolean;
}

/** What `init` created, or would create. */
export interface Initialised {
  readonly topics: readonly string[];
  /** Existing topics that have more copies now. */
  readonly raised: readonly string[];
  readonly partitions: number;
  readonly cursors: number;
  /** The number of cursors that exist then. */
  readonly allCursors: number;
}

/**
 * Creates missing topics and cursors, and leaves the others as they are, except for one thing:
 * existing topics with fewer copies than `replication` get more.
 *
 * @throws TallymanError `TOPICS_MISSING` for topics that were deleted, `REDIS_EMPTIED`, `ONE_COPY`,
 *   `TOO_FEW_BROKERS`, `SETTINGS_MISSING`, `OTHER_SETTINGS`
 */
export async function initialise(context: Context, options: InitOptions): Promise<Initialised> {
  const { config } = context;
  const kafka = context.kafka();
  const store = await context.store();
  const missing = await missingTopics(kafka, config.prefix);
  const deleted = (await deletedTopics(kafka, store, config.prefix, missing)).filter(
    (topic) => !(options.recordSettings && topic === topicName(config.prefix, 'billing.settings')),
  );
  if (deleted.length > 0) throw topicsDeleted(deleted);
  if (missing.length > 0) await checkCopies(kafka, options.replication, options.allowOneCopy ?? false);
  const created = await createTopics(kafka, config.prefix, options);
  const raised = await raise(context, options);
  if (options.dryRun) return { ...(await rehearse(context, created, options)), raised };
  const partitionCount = await checkCoPartitioned(kafka, config.prefix);
  const topics = usageTopics(config.prefix);
  await refuseEmptied(context, store);
  await noteTopicIds(kafka, store, topics);
  const offsets = await (options.from === 'earliest' ? logStarts : logEnds)(kafka, topics);
  const begins = await recordCounting(context, topics, partitionCount, offsets, options);
  // This comes before the cursors: a shard beyond the recorded number is taken for a lost record.
  await writeShardCount(store, partitionCount);
  let newCursors = 0;
  for (const [shard, cursors] of begins) {
    for (const [topic, offset] of cursors) {
      if (await initCursor(store, shard, topic, offset)) newCursors += 1;
    }
  }
  return {
    topics: created,
    raised,
    partitions: partitionCount,
    cursors: newCursors,
    allCursors: topics.length * partitionCount,
  };
}

async function rehearse(
  context: Context,
  topics: readonly string[],
  options: InitOptions,
): Promise<Omit<Initialised, 'raised'>> {
  const { prefix } = context.config;
  const partitions = await checkCoPartitioned(context.kafka(), prefix, options.partitions);
  const store = await context.store();
  if (topics.length === 0) {
    await refuseEmptied(context, store);
    await recordedCounting(context, options);
  }
  const wanted = usageTopics(prefix);
  let cursors = 0;
  for (let shard = 0; shard < partitions; shard += 1) {
    const found = await readCursors(store, shard);
    cursors += wanted.filter((topic) => !found.has(topic)).length;
  }
  return { topics, partitions, cursors, allCursors: wanted.length * partitions };
}

/**
 * This environment decides, once, about settings that an older version did not record. If none are
 * recorded at all and there are cursors, the ledger was emptied: its settings were maybe others.
 */
async function recordedCounting(context: Context, options: InitOptions): Promise<CountingRecord> {
  const { config, kafka } = context;
  const record = await readCountingRecord(kafka(), config.prefix);
  if (record.settings === undefined && !options.recordSettings) {
    const store = await context.store();
    if ((await readCursors(store, 0)).size > 0) throw settingsMissing();
  }
  refuseOtherSettings(record, config, countingSettings(config));
  return record;
}

async function raise(
  { kafka, config }: Context,
  { replication, dryRun }: InitOptions,
): Promise<readonly string[]> {
  if (replication === undefined) return [];
  const topics = ownTopics(config.prefix);
  if (dryRun) return (await findTooFewCopies(kafka(), topics, replication)).topics;
  const progress = createProgress('copies');
  const raised = await raiseCopies(kafka(), topics, replication, (done, total, topic) =>
    progress.update(done, total, topic),
  );
  progress.end();
  return raised;
}

/**
 * Before any cursor is created, records what a recount needs besides the log: the settings, and
 * where each partition begins to count. Records never change, so a recreated cursor begins where
 * the first one did.
 *
 * @returns shard -> topic -> where its cursor begins
 */
async function recordCounting(
  context: Context,
  topics: readonly string[],
  partitionCount: number,
  offsets: ReadonlyMap<string, readonly number[]>,
  options: InitOptions,
): Promise<Map<number, Map<string, number>>> {
  const { config } = context;
  const { settings, begins: recorded } = await recordedCounting(context, options);
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
    if (!isComplete(settings)) await recordSettings(publisher, config.prefix, countingSettings(config));
    await recordBegins(publisher, config.prefix, added);
  } finally {
    await publisher.close();
  }
  return begins;
}

/**
 * If Redis has no cursor and the ledgers have records, Redis was emptied. New cursors alone would
 * count its events again, but without plans and closes.
 */
async function refuseEmptied({ config, kafka }: Context, store: Store): Promise<void> {
  if (await isRedisEmptied(kafka(), store, config.prefix))
    throw new TallymanError('REDIS_EMPTIED', EMPTIED_MESSAGE, {}, { exit: EXIT.refused });
}
