import type { Context } from '../../installation/context';
import { logRanges, usageTopics } from '../../kafka/topics/topics';
import type { Finding } from '../../lib/finding';
import { findTornShards, REBUILD_REMEDY } from '../../redis/checks/find-double-counts';
import { isRebuilding } from '../../redis/rebuilding';
import type { Store } from '../../redis/store';

export async function checkFilled(store: Store): Promise<Finding[]> {
  if (!(await isRebuilding(store))) return [];
  return [
    {
      level: 'error',
      subject: 'Redis',
      problem: 'a rebuild has not ended, so totals are missing',
      remedy: 'tallyman rebuild',
    },
  ];
}

export async function checkTorn({ kafka, config, store }: Context): Promise<Finding[]> {
  const topics = usageTopics(config.prefix);
  const partitions = [...(await logRanges(kafka(), topics)).values()].map(({ length }) => length);
  const torn = await findTornShards(await store(), Math.max(...partitions));
  return torn.map(({ shard, problem }) => ({
    level: 'error',
    code: 'SHARD_TORN',
    subject: `shard ${shard}`,
    problem: `it was written in part: ${problem}`,
    remedy: REBUILD_REMEDY,
  }));
}
