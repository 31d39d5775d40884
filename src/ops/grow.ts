import type { Layout } from '../../schemas/types';
import { layoutOf, nextMultiple } from '../installation/layout';
import { checkShardCount } from '../installation/shard-count';
import { checkCountingSettings, recordLayout } from '../installation/recorded-settings';
import type { Context } from '../installation/context';
import { createPublisher } from '../kafka/producer';
import type { KafkaClient } from '../kafka/client';
import { addPartitions, countPartitions, logEnds, usageTopics } from '../kafka/topics/topics';
import { TallymanError } from '../lib/errors';
import { checkRebuilt } from '../redis/rebuilding';
import { readShardCount } from '../redis/usage/read-usage';
import { initAddedCursors } from './init';

export interface GrowOptions {
  readonly partitions: number;
  /** Counts what was published while projects were in other shards. */
  readonly acceptRepeats: boolean;
  readonly dryRun: boolean;
}

export interface Grown {
  readonly shards: number;
  /** How many partitions were counted before. */
  readonly before: number;
  readonly partitions: number;
  /** The topics that got partitions, or would get them. */
  readonly topics: readonly string[];
  /** Undefined for a dry run. */
  readonly cursors: number | undefined;
}

/**
 * Adds partitions to the usage topics. The number of shards stays, so nothing that was counted
 * moves: see lanes.ts. Consumers may run meanwhile. Each step may be repeated, so a grow that was
 * killed is run again.
 *
 * The order matters. Consumers stop at partitions that the ledger does not name, and at those
 * without a cursor, so both come before the partitions themselves.
 *
 * @throws TallymanError `PARTITIONS_MISFIT`, `TOPICS_MISSING`, `OTHER_SETTINGS`, `FEWER_SHARDS`,
 *   `SHARDS_STALE`
 */
export async function grow(context: Context, options: GrowOptions): Promise<Grown> {
  const { config } = context;
  const kafka = context.kafka();
  const topics = usageTopics(config.prefix);
  const counts = await countPartitions(kafka, topics);
  const record = await checkCountingSettings(kafka, config);
  const store = await context.store();
  await checkRebuilt(store);
  const counted = layoutOf(record, await readShardCount(store));
  // With a damaged ledger, partitions would be counted once more, in other shards.
  await checkShardCount(store, counted.shards);
  checkFits(options, counted, counts);
  const layout: Layout = {
    shards: counted.shards,
    partitions: options.partitions,
    additions: [...(counted.additions ?? []), await additionTo(kafka, topics, counted)],
  };
  const growing = topics.filter((topic) => counts.get(topic)! < options.partitions);
  const grown = { shards: layout.shards, before: counted.partitions, partitions: layout.partitions };
  if (options.dryRun) return { ...grown, topics: growing, cursors: undefined };

  if (counted.partitions !== layout.partitions) {
    const publisher = await createPublisher(kafka);
    try {
      await recordLayout(publisher, config.prefix, layout);
    } finally {
      await publisher.close();
    }
  }
  const cursors = await initAddedCursors(store, topics, layout);
  await addPartitions(kafka, growing, layout.partitions);
  return { ...grown, topics: growing, cursors };
}

async function additionTo(
  kafka: KafkaClient,
  topics: readonly string[],
  { partitions }: Layout,
): Promise<NonNullable<Layout['additions']>[number]> {
  const ends = await logEnds(kafka, topics);
  return {
    from: partitions,
    ends: Object.fromEntries([...ends].map(([topic, all]) => [topic, all.slice(0, partitions)])),
  };
}

function checkFits(
  { partitions, acceptRepeats }: GrowOptions,
  { shards, partitions: counted }: Layout,
  counts: ReadonlyMap<string, number>,
): void {
  const most = Math.max(counted, ...counts.values());
  const least = nextMultiple(most, shards);
  if (partitions % shards !== 0) {
    throw new TallymanError(
      'PARTITIONS_MISFIT',
      `--partitions must be a multiple of ${shards}, the number of shards, and is ${partitions}. Otherwise projects would move ` +
        `to other shards, where repeats of their events are not recognised. ${nextMultiple(partitions, shards)} is possible.`,
      { partitions, shards },
    );
  }
  if (partitions < most) {
    throw new TallymanError(
      'PARTITIONS_MISFIT',
      `--partitions must be ${least} or more, and is ${partitions}: Kafka never removes a partition, and there are ${most}.`,
      { partitions, most, shards },
    );
  }
  const misfits = [...counts].filter(([, count]) => count > counted && count % shards !== 0);
  if (misfits.length === 0 || acceptRepeats) return;
  const [topic, count] = misfits[0]!;
  throw new TallymanError(
    'PARTITIONS_MISFIT',
    `${topic} was given ${count} partitions, which is not a multiple of the ${shards} shards. What was published since is in ` +
      'other shards than the events before, so a repeat of an event before may count twice. Nothing else is affected. To ' +
      'count it, add --accept-repeats.',
    { topic, count, shards },
  );
}
