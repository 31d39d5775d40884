import { noteTopicIds } from '../../../src/ingest/guards/topic-guard';
import { recordBegins } from '../../../src/installation/recorded-settings';
import type { KafkaClient } from '../../../src/kafka/client';
import type { Publisher } from '../../../src/kafka/producer';
import { usageTopics } from '../../../src/kafka/topics/topics';
import { initCursor } from '../../../src/redis/cursors';
import type { Store } from '../../../src/redis/store';
import { writeShardCount } from '../../../src/redis/usage/read-usage';

/** Counts every partition from its first offset, as `init` does for new topics. */
export async function beginCounting(
  client: KafkaClient,
  store: Store,
  publisher: Publisher,
  { prefix, partitions }: { readonly prefix: string; readonly partitions: number },
): Promise<void> {
  const topics = usageTopics(prefix);
  const shards = [...Array(partitions).keys()];
  await noteTopicIds(client, store, topics);
  await writeShardCount(store, partitions);
  const begins = new Map(topics.map((topic) => [topic, 0]));
  await recordBegins(publisher, prefix, new Map(shards.map((shard) => [shard, begins])));
  for (const shard of shards) for (const topic of topics) await initCursor(store, shard, topic, 0);
}
