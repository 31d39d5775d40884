import { consumerNamed, consumerNames, usageConsumers } from '../../consumers';
import { checkCountingSettings, type CountingRecord } from '../installation/recorded-settings';
import { checkLayout } from '../installation/layout';
import { laneOf, placeOf, shardOf } from '../redis/usage/lanes';
import type { CloseRecord, Layout } from '../../schemas/types';
import { replayHorizon } from '../installation/replay-horizon';
import { noteTopicIds } from '../ingest/guards/topic-guard';
import { monthsWithFrozenTotals, restoreFrozenTotals } from '../close/frozen-totals';
import { monthsThatMayLeave } from '../close/leave/may-leave';
import { restoreLeftMonths } from '../close/leave/restore-left';
import { readCloseRecords, restoreCloses } from '../installation/ledgers/restore-closes';
import { restoreViews, type RestoredViews } from '../installation/ledgers/restore-views';
import { TallymanError } from '../lib/errors';
import { logEnds, logRanges, usageTopics } from '../kafka/topics/topics';
import { initCursor, readCursor, readTopicIds } from '../redis/cursors';
import { countKeys, emptyRedis } from '../redis/empty-redis';
import { groupsWithMembers } from '../kafka/checks/check-groups';
import { topicReplaced } from '../ingest/stop-errors';
import { noteEvictions } from '../redis/checks/dropped-keys';
import { monthsThatLeft } from '../redis/usage/left-months';
import { writeShardCount } from '../redis/usage/read-usage';
import { beginRebuild, endRebuild, isEmptying, isRebuilding } from '../redis/rebuilding';
import type { Store } from '../redis/store';
import type { Context } from '../installation/context';
import { groupOf, runConsumers } from '../ingest/run-consumers';

/** The restored records. */
export interface Rebuilt extends RestoredViews {
  /**
   * Closed months with events that the log no longer holds. Their totals are those that their close
   * published.
   */
  readonly monthsBeyondLog: readonly string[];
}

/** What a rebuild would do. */
export interface RebuildPlan {
  /** Keys of this installation that `--empty` would delete from Redis first. */
  readonly deletes: number;
  /** Cursors that would be created. Without one, Redis lost nothing that a rebuild restores. */
  readonly cursors: number;
  /** Offsets of the log that would be read again. */
  readonly offsets: number;
}

export interface RebuildOptions {
  /** Whether to delete this installation's keys from Redis first. */
  readonly empty: boolean;
}

/** Refills an empty Redis from Kafka. If it was stopped or killed, it continues where it was. */
export async function rebuild(context: Context, options: RebuildOptions): Promise<Rebuilt> {
  const { config, logger } = context;
  const kafka = context.kafka();
  const store = await context.store();
  const found = await examineLoss(context, options);
  const { layout, counting, closes, published, empties, missing } = found;
  const { shards: shardCount } = layout;

  if (empties) await emptyRedis(store, shardCount);
  const cursorCount = layout.partitions * usageConsumers.length;
  // Everything is restored, so earlier evictions do not count.
  if (empties || (missing.length === cursorCount && !(await isRebuilding(store)))) await noteEvictions(store);
  if (missing.length > 0) await beginRebuild(store, shardCount);
  await writeShardCount(store, shardCount);
  const views = await restoreViews(kafka, store, config.prefix);
  // Cut-offs come before the log, so that events that were late are late again.
  await restoreCloses(kafka, store, config.prefix, logger);
  await noteTopics(context, store, closes.at(-1));
  for (const { shard, lane, begin } of missing) await initCursor(store, shard, lane, begin);
  if (!(await isRebuilding(store))) {
    // The ledger may have been restored, and hold them elsewhere. A void in the log may need one.
    const left = await monthsThatLeft(store, shardCount);
    await restoreLeftMonths(kafka, store, config.prefix, shardCount, left, false);
  }
  const end = await runConsumers(context, {
    consumers: consumerNames.map(consumerNamed),
    untilCaughtUp: true,
    purpose: 'rebuild',
  });
  if (end === 'interrupted')
    throw new TallymanError('INTERRUPTED', 'Stopped before the end. Run it again to continue');

  // Totals come after the log: every cursor has passed the cut-offs, so nothing is counted in a
  // closed month any more.
  const months = closes.map(({ month }) => month).filter((month) => published.has(month));
  const stay = { nowMs: Date.now(), keepMs: config.keepClosedMs, calendar: context.calendar };
  const mayLeave = monthsThatMayLeave(closes, stay).filter((month) => published.has(month));
  if (await isRebuilding(store)) {
    const left = new Set([...(await monthsThatLeft(store, shardCount)), ...mayLeave]);
    const staying = months.filter((month) => !left.has(month));
    await restoreFrozenTotals(kafka, store, config.prefix, shardCount, staying);
    await restoreLeftMonths(kafka, store, config.prefix, shardCount, [...left].sort(), true);
    await endRebuild(store, shardCount);
  }
  const beyond = await monthsBeyondLog(context, layout, counting, closes);
  return { ...views, monthsBeyondLog: beyond };
}

/** Checks all that a rebuild checks before its first write, and tells what it would do. */
export async function planRebuild(context: Context, options: RebuildOptions): Promise<RebuildPlan> {
  const { empties, missing } = await examineLoss(context, options);
  const ends = await logEnds(context.kafka(), usageTopics(context.config.prefix));
  return {
    deletes: empties ? await countKeys(await context.store()) : 0,
    cursors: missing.length,
    offsets: missing.reduce((sum, { lane, shard, begin }) => {
      const { topic, partition } = placeOf(lane, shard);
      return sum + ends.get(topic)![partition]! - begin;
    }, 0),
  };
}

/** What Redis lacks, and whether it has to be emptied first. Changes nothing. */
interface Loss {
  readonly layout: Layout;
  readonly counting: CountingRecord;
  readonly closes: readonly CloseRecord[];
  /** The months whose totals their close published. */
  readonly published: ReadonlySet<string>;
  readonly empties: boolean;
  readonly missing: readonly MissingCursor[];
}

async function examineLoss(context: Context, { empty }: RebuildOptions): Promise<Loss> {
  const { config } = context;
  const kafka = context.kafka();
  const store = await context.store();
  const counting = await checkCountingSettings(kafka, config);
  const layout = await checkLayout(kafka, config.prefix, counting);
  const closes = [...(await readCloseRecords(kafka, config.prefix)).values()];
  const published = await monthsWithFrozenTotals(kafka, config.prefix);
  const empties = empty || (await isEmptying(store, layout.shards));
  const held = empties ? undefined : store;
  const missing = await missingCursors(context, held, layout, counting, closes, published);
  if (empties) await checkMayEmpty(context, store, closes.at(-1));
  return { layout, counting, closes, published, empties, missing };
}

/** Redis may be emptied only if no consumer runs, and if this is the Kafka that it was filled from.
 *
 * @throws TallymanError `CONSUMERS_RUNNING`, `TOPIC_REPLACED`
 */
async function checkMayEmpty(
  { kafka, config }: Context,
  store: Store,
  lastClose: CloseRecord | undefined,
): Promise<void> {
  const groupIds = usageConsumers.map(({ name }) => groupOf(config.prefix, name));
  const busy = await groupsWithMembers(kafka(), groupIds);
  if (busy.size > 0) {
    throw new TallymanError(
      'CONSUMERS_RUNNING',
      `Consumers are running (groups ${[...busy].join(', ')}). Nothing was deleted. Stop them, then run ` +
        '`tallyman rebuild --empty` again. Kafka still lists a killed consumer for some seconds.',
      { groupIds: [...busy] },
    );
  }
  const noted = [...Object.entries(lastClose?.topicIds ?? {}), ...(await readTopicIds(store))];
  for (const [topic, expected] of noted) {
    const id = await kafka().topicId(topic);
    if (id !== undefined && id !== expected) throw topicReplaced(topic, expected, id);
  }
}

/**
 * The offsets of closes are valid for their own topics only. In others, late usage would pass for
 * timely.
 */
async function noteTopics(
  { kafka, config }: Context,
  store: Store,
  lastClose: CloseRecord | undefined,
): Promise<void> {
  const topics = usageTopics(config.prefix);
  await noteTopicIds(kafka(), store, topics, lastClose?.topicIds);
}

/** The cursors to create, each at the offset where counting begins.
 *
 * @param store undefined if Redis is about to be emptied, so that all cursors have to be created
 * @throws TallymanError `LOG_TOO_SHORT` if the log no longer holds all events of the open month
 */
async function missingCursors(
  context: Context,
  store: Store | undefined,
  layout: Layout,
  counting: CountingRecord,
  closes: readonly CloseRecord[],
  published: ReadonlySet<string>,
): Promise<MissingCursor[]> {
  const missing: MissingCursor[] = [];
  const { calendar } = context;
  const lastClosed = closes.at(-1)?.month;
  const openMonth =
    lastClosed === undefined ? calendar.monthOfMs(Date.now()) : calendar.nextMonth(lastClosed);
  // A killed close may have frozen a month without publishing its totals, so only the log has them.
  const replayed = closes.find(({ month }) => !published.has(month))?.month ?? openMonth;
  for (const { topic, partition, shard, lane, start, begin, needed } of await coverageOf(
    context,
    layout,
    counting,
    closes,
    openMonth,
  )) {
    if (store !== undefined && (await readCursor(store, shard, lane)) !== undefined) continue;
    if (start > needed) {
      throw new TallymanError(
        'LOG_TOO_SHORT',
        `${topic}/${partition} begins at offset ${start}, and ${replayed} needs it from ${needed}. Its totals would lack usage, ` +
          'or count duplicates. Restore Redis from its append-only file or a replica, or the topic from a copy.',
        { topic, partition, start, needed },
      );
    }
    missing.push({ shard, lane, begin: Math.max(start, begin) });
  }
  return missing;
}

async function monthsBeyondLog(
  context: Context,
  layout: Layout,
  counting: CountingRecord,
  closes: readonly CloseRecord[],
): Promise<string[]> {
  const beyond: string[] = [];
  for (const { month } of closes) {
    const partitions = await coverageOf(context, layout, counting, closes, month);
    if (partitions.some(({ start, needed }) => start > needed)) beyond.push(month);
  }
  return beyond;
}

interface MissingCursor {
  readonly shard: number;
  readonly lane: string;
  readonly begin: number;
}

interface PartitionCoverage extends MissingCursor {
  readonly topic: string;
  readonly partition: number;
  readonly start: number;
  readonly needed: number;
}

/**
 * By partition: where the log begins, where counting began, and from which offset a month needs the
 * log.
 */
async function coverageOf(
  { config, calendar, kafka }: Context,
  { shards }: Layout,
  counting: CountingRecord,
  closes: readonly CloseRecord[],
  month: string,
): Promise<PartitionCoverage[]> {
  const topics = usageTopics(config.prefix);
  const { futureMs } = config.limits;
  return [...(await logRanges(kafka(), topics))].flatMap(([topic, ranges]) =>
    ranges.map(({ start }, partition) => {
      const [shard, lane] = [shardOf(partition, shards), laneOf(topic, partition, shards)];
      const begin = counting.begins.get(shard)?.get(lane) ?? 0;
      const needed = replayHorizon(month, { shard, lane, closes, begin, calendar, futureMs });
      return { topic, partition, shard, lane, start, begin, needed };
    }),
  );
}
