import {
  countingSettings,
  isComplete,
  readCountingRecord,
  recordBegins,
  recordLayout,
  recordSettings,
  refuseOtherSettings,
  settingsMissing,
  type CountingRecord,
} from '../installation/recorded-settings';
import { checkLayout, partitionsAdded } from '../installation/layout';
import { laneOf, shardOf } from '../redis/usage/lanes';
import type { Layout } from '../../schemas/types';
import { noteTopicIds } from '../ingest/guards/topic-guard';
import { deletedTopics, topicsDeleted } from '../installation/deleted-topics';
import { forgetLedgerEnds } from '../installation/ledgers/ledger-ends';
import { EMPTIED_MESSAGE, isRedisEmptied } from '../installation/redis-emptied';
import { EXIT } from '../lib/error-codes';
import { TallymanError } from '../lib/errors';
import { createProgress } from '../lib/progress';
import { createPublisher } from '../kafka/producer';
import {
  checkCoPartitioned,
  checkNoneAutoCreated,
  createTopics,
  logEnds,
  logStarts,
  missingTopics,
  ownTopics,
  type TimestampSource,
  topicName,
  usageTopics,
  whileElecting,
} from '../kafka/topics/topics';
import { checkCopies, findTooFewCopies, raiseCopies } from '../kafka/topics/replication';
import { initCursor, readCursor, readCursors, readPartitionCursors } from '../redis/cursors';
import { findShardCount, writeShardCount } from '../redis/usage/read-usage';
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
  // Without its settings, no `init` has been here.
  if (missing.includes(topicName(config.prefix, 'billing.settings')))
    await checkNoneAutoCreated(kafka, config.prefix, options);
  if (!options.dryRun) await forgetLedgerEnds(store, config.prefix, missing);
  const created = await createTopics(kafka, config.prefix, options);
  const raised = await raise(context, options, created);
  if (options.dryRun) return { ...(await rehearse(context, created, options)), raised };
  const layout = await layoutAtInit(context);
  const { shards, partitions } = layout;
  const topics = usageTopics(config.prefix);
  await refuseEmptied(context, store);
  await noteTopicIds(kafka, store, topics);
  const offsets = await (options.from === 'earliest' ? logStarts : logEnds)(kafka, topics);
  const begins = await recordCounting(context, topics, layout, offsets, options);
  // This comes before the cursors: a shard beyond the recorded number is taken for a lost record.
  await writeShardCount(store, shards);
  let newCursors = await initAddedCursors(store, topics, layout);
  for (const [shard, cursors] of begins) {
    for (const [topic, offset] of cursors) {
      if (await initCursor(store, shard, topic, offset)) newCursors += 1;
    }
  }
  return {
    topics: created,
    raised,
    partitions,
    cursors: newCursors,
    allCursors: topics.length * partitions,
  };
}

async function rehearse(
  context: Context,
  topics: readonly string[],
  options: InitOptions,
): Promise<Omit<Initialised, 'raised'>> {
  const { prefix } = context.config;
  const store = await context.store();
  let layout: Layout;
  if (topics.length > 0) {
    const partitions = await checkCoPartitioned(context.kafka(), prefix, options.partitions);
    layout = { shards: partitions, partitions };
  } else {
    layout = await layoutAtInit(context);
    await refuseEmptied(context, store);
    await recordedCounting(context, options);
  }
  const { shards, partitions } = layout;
  const wanted = usageTopics(prefix);
  const every = new Map(wanted.map((topic) => [topic, Array.from({ length: partitions })]));
  const found = [...(await readPartitionCursors(store, shards, every)).values()].flat();
  const cursors = found.filter((cursor) => cursor === undefined).length;
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

/**
 * The layout before anything is recorded is Kafka's. If the ledger is lost, Redis still has the
 * number of shards, and the cursors of partitions that were added.
 */
async function layoutAtInit({ config, kafka, store: openStore }: Context): Promise<Layout> {
  const record = await readCountingRecord(kafka(), config.prefix);
  if (record.layout !== undefined || record.begins.size > 0)
    return checkLayout(kafka(), config.prefix, record);
  const store = await openStore();
  const partitions = await checkCoPartitioned(kafka(), config.prefix);
  const shards = (await findShardCount(store)) ?? partitions;
  const last = partitions - 1;
  const lane = laneOf(usageTopics(config.prefix)[0]!, last, shards);
  if (partitions > shards && (await readCursor(store, shardOf(last, shards), lane)) === undefined)
    throw partitionsAdded({ shards, partitions: shards }, partitions);
  return { shards, partitions };
}

async function raise(
  { kafka, config }: Context,
  { replication, dryRun }: InitOptions,
  created: readonly string[],
): Promise<readonly string[]> {
  if (replication === undefined) return [];
  // Those that were just created have them, and not every broker knows them yet.
  const topics = ownTopics(config.prefix).filter((topic) => !created.includes(topic));
  if (dryRun) return (await findTooFewCopies(kafka(), topics, replication)).topics;
  const progress = createProgress('copies');
  const raised = await whileElecting(() =>
    raiseCopies(kafka(), topics, replication, (done, total, topic) => progress.update(done, total, topic)),
  );
  progress.end();
  return raised;
}

/**
 * Creates the missing cursors of partitions that were added. Such a partition is counted from its
 * first offset, because it was empty when it was added.
 *
 * @returns how many were created
 */
export async function initAddedCursors(
  store: Store,
  topics: readonly string[],
  { shards, partitions }: Layout,
): Promise<number> {
  let created = 0;
  for (let partition = shards; partition < partitions; partition += 1) {
    for (const topic of topics) {
      if (await initCursor(store, shardOf(partition, shards), laneOf(topic, partition, shards), 0))
        created += 1;
    }
  }
  return created;
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
  layout: Layout,
  offsets: ReadonlyMap<string, readonly number[]>,
  options: InitOptions,
): Promise<Map<number, Map<string, number>>> {
  const { config } = context;
  const { settings, begins: recorded, layout: known } = await recordedCounting(context, options);
  const begins = new Map<number, Map<string, number>>();
  const added = new Map<number, Map<string, number>>();
  for (let shard = 0; shard < layout.shards; shard += 1) {
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
  // If the ledger was lost and all cursors exist, nothing else would show the number of shards.
  const last = layout.shards - 1;
  const showsShards = layout.partitions === layout.shards && (recorded.has(last) || added.has(last));
  const lacksLayout = known === undefined && !showsShards;
  if (isComplete(settings) && added.size === 0 && !lacksLayout) return begins;
  const publisher = await createPublisher(context.kafka());
  try {
    // Doing this again writes the same records under the same keys.
    await whileElecting(async () => {
      if (!isComplete(settings)) await recordSettings(publisher, config.prefix, countingSettings(config));
      await recordBegins(publisher, config.prefix, added);
      if (lacksLayout) await recordLayout(publisher, config.prefix, layout);
    });
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
