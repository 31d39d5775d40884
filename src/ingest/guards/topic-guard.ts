import { KafkaJSError } from '../../kafka/client';
import type { KafkaClient } from '../../kafka/client';
import { topicReplaced } from '../stop-errors';

/** Keeps a consumer from counting one topic's events under the offsets of another. */
export interface TopicGuard {
  /** To be told of every answer to a fetch. */
  noteFetch(): void;
  /**
   * Makes sure that all that was fetched comes from the topic that the cursors belong to. Asked after the fetch: ids do
   * not come back, so a topic that still has its id now had it then.
   *
   * @throws TallymanError `TOPIC_REPLACED`; KafkaJSError when there is no such topic now
   */
  check(): Promise<void>;
}

/** @param expectedId of the topic when its cursors were made; undefined where the cluster has no ids: nothing is checked */
export function createTopicGuard(
  client: KafkaClient,
  topic: string,
  expectedId: string | undefined,
): TopicGuard {
  let fetches = 0;
  let checked = 0;
  return {
    noteFetch: () => void (fetches += 1),
    async check() {
      if (expectedId === undefined || checked === fetches) return;
      const covered = fetches;
      const id = await client.topicId(topic);
      if (id === undefined) throw new KafkaJSError(`${topic} is not there`, { retriable: true });
      if (id !== expectedId) throw topicReplaced(topic, expectedId, id);
      checked = Math.max(checked, covered);
    },
  };
}
