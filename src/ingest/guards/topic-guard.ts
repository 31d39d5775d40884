import { KafkaJSError, type KafkaClient } from '../../kafka/client';
import { EXIT } from '../../lib/error-codes';
import { TallymanError } from '../../lib/errors';
import type { LayoutWatch } from '../../installation/layout';
import type { Store } from '../../redis/store';
import { forgetEpochs, noteTopicId } from '../../redis/cursors';
import { topicReplaced } from '../stop-errors';

/** Keeps a consumer from counting events of one topic under the offsets of another. */
export interface TopicGuard {
  /** Must be called after every response to a fetch. */
  noteFetch(): void;
  /**
   * Makes sure that everything fetched is from the topic that the cursors belong to. It runs after
   * the fetch: Kafka never reuses an id, so a topic that has its id now had it then.
   *
   * In the same way it makes sure that everything was published while the topic had no other
   * partitions than those that are counted. Partitions are never removed.
   *
   * @throws TallymanError `TOPIC_REPLACED`, `PARTITIONS_ADDED`; KafkaJSError if the topic does not
   *   exist now
   */
  check(): Promise<void>;
}

/**
 * @param expectedId the topic's id when its cursors were created; undefined if the cluster has no
 *   topic ids, and then the id is not checked
 */
export function createTopicGuard(
  client: KafkaClient,
  topic: string,
  expectedId: string | undefined,
  layout?: LayoutWatch,
): TopicGuard {
  let fetches = 0;
  let checked = 0;
  return {
    noteFetch: () => void (fetches += 1),
    async check() {
      if (checked === fetches || (expectedId === undefined && layout === undefined)) return;
      const covered = fetches;
      const { id, partitions } = await client.topicState(topic);
      if (partitions === 0 || (id === undefined && expectedId !== undefined))
        throw new KafkaJSError(`${topic} does not exist`, { retriable: true });
      if (id !== undefined && expectedId !== undefined && id !== expectedId)
        throw topicReplaced(topic, expectedId, id);
      await layout?.check(partitions);
      checked = Math.max(checked, covered);
    },
  };
}

/**
 * Stores in Redis which topics the cursors belong to. Call it before the cursors are created, so
 * that a cursor never belongs to an unknown topic.
 *
 * @param known topic -> id, from before Redis was emptied
 * @throws RefusedError `TOPIC_REPLACED` if Redis holds other ids
 */
export async function noteTopicIds(
  kafka: KafkaClient,
  store: Store,
  topics: readonly string[],
  known: Readonly<Record<string, string>> = {},
): Promise<void> {
  for (const topic of topics) {
    const id = await kafka.topicId(topic);
    if (id === undefined) continue;
    const { noted, isNew } = await noteTopicId(store, topic, known[topic] ?? id);
    // A copy of a topic has epochs of its own.
    if (isNew) await forgetEpochs(store, (await kafka.topics([topic])).get(topic)?.length ?? 0, topic);
    if (noted === id) continue;
    const { code, message, fields } = topicReplaced(topic, noted, id);
    throw new TallymanError(code, message, fields, { exit: EXIT.refused });
  }
}
