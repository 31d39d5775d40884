import type { Layout } from '../../../schemas/types';

/**
 * Where a partition is counted. An installation begins with as many shards as partitions. When
 * partitions are added, the number of shards stays, and partition p is counted in shard
 * p mod shards. Kafka's clients choose a partition by a key's hash mod the number of partitions. So
 * as long as that number is a multiple of the number of shards, a project stays in its shard,
 * whatever its producers know of the new partitions.
 *
 * A lane is the name of such a partition in its shard: the topic for the first one, and
 * `<topic>/<partition>` for those that were added. No topic's name contains a slash.
 */
export const shardOf = (partition: number, shardCount: number): number => partition % shardCount;

export const laneOf = (topic: string, partition: number, shardCount: number): string =>
  partition < shardCount ? topic : `${topic}/${partition}`;

/** A lane as topic and partition. */
export function placeOf(lane: string, shard: number): { readonly topic: string; readonly partition: number } {
  const [topic = '', partition = String(shard)] = lane.split('/');
  return { topic, partition: Number(partition) };
}

/** The partitions that a shard counts, in order. */
export function partitionsOf(shard: number, { shards, partitions }: Layout): number[] {
  const found: number[] = [];
  for (let partition = shard; partition < partitions; partition += shards) found.push(partition);
  return found;
}
