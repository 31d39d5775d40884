import type { Layout } from '../../schemas/types';
import { TallymanError } from '../lib/errors';
import type { KafkaClient } from '../kafka/client';
import { checkCoPartitioned } from '../kafka/topics/topics';
import { readCountingRecord, settingsMissing, type CountingRecord } from './recorded-settings';

/**
 * The layout of an installation. The ledger decides it, not Kafka: partitions may have been added
 * without `grow`.
 *
 * @param fallback the number of shards of an installation whose `init` recorded nothing
 */
export function layoutOf(
  { layout, begins }: Pick<CountingRecord, 'layout' | 'begins'>,
  fallback: number,
): Layout {
  const shards = begins.size === 0 ? fallback : Math.max(...begins.keys()) + 1;
  return layout ?? { shards, partitions: shards };
}

/**
 * Checks that all usage topics have the same number of partitions, and that all of them are
 * counted.
 *
 * @param known the ledger's record, if it was just read
 * @returns the number of shards, and Kafka's number of partitions
 * @throws TallymanError `TOPICS_MISSING`, `NOT_CO_PARTITIONED`, `PARTITIONS_ADDED`, `FEWER_SHARDS`,
 *   `SETTINGS_MISSING`
 */
export async function checkLayout(
  kafka: KafkaClient,
  prefix: string,
  known?: CountingRecord,
): Promise<Layout> {
  const partitions = await checkCoPartitioned(kafka, prefix);
  const record = known ?? (await readCountingRecord(kafka, prefix));
  if (record.settings === undefined && record.begins.size === 0) throw settingsMissing();
  const counted = layoutOf(record, partitions);
  if (partitions > counted.partitions) throw partitionsAdded(counted, partitions);
  if (partitions < counted.shards) throw fewerShards(counted.shards, partitions);
  return { ...counted, partitions };
}

/** Notices that partitions were added, in a process that stays. */
export interface LayoutWatch {
  /**
   * @param partitions Kafka's number of partitions of a topic
   * @throws TallymanError `PARTITIONS_ADDED` if not all of them are counted
   */
  check(partitions: number): Promise<void>;
  /** The layout, which knows every partition that passed the check. */
  current(): Layout;
}

/** @param known what `checkLayout` returned */
export function watchLayout(kafka: KafkaClient, prefix: string, known: Layout): LayoutWatch {
  let counted = known;
  return {
    current: () => counted,
    async check(partitions) {
      if (partitions <= counted.partitions) return;
      counted = layoutOf(await readCountingRecord(kafka, prefix), counted.shards);
      if (partitions > counted.partitions) throw partitionsAdded(counted, partitions);
    },
  };
}

/** The number of partitions that a project's events stay in their shard with. */
export const nextMultiple = (partitions: number, shards: number): number =>
  Math.ceil(partitions / shards) * shards;

export function partitionsAdded({ shards, partitions: counted }: Layout, partitions: number): TallymanError {
  const target = nextMultiple(partitions, shards);
  const isFit = target === partitions;
  return new TallymanError(
    'PARTITIONS_ADDED',
    `The usage topics have ${partitions} partitions, and this installation counts ${counted}: somebody has added partitions. ` +
      `Nothing that was published since is counted. ${
        isFit
          ? `Run \`tallyman grow --partitions ${target}\`, which counts all of it exactly once.`
          : `${partitions} is not a multiple of the ${shards} shards, so projects have moved to other shards: see ` +
            `\`tallyman grow --help\` before you run \`tallyman grow --partitions ${target} --accept-repeats\`.`
      }`,
    { partitions, counted, shards },
  );
}

export function fewerShards(shards: number, partitions: number): TallymanError {
  return new TallymanError(
    'FEWER_SHARDS',
    `Redis holds ${shards} shards, and the usage topics have ${partitions} partitions: they are not the topics that were counted.`,
    { before: shards, count: partitions },
  );
}
