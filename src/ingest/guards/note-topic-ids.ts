import { EXIT } from '../../lib/error-codes';
import { TallymanError } from '../../lib/errors';
import type { KafkaClient } from '../../kafka/client';
import { topicReplaced } from '../stop-errors';
import type { Store } from '../../redis/store';
import { noteTopicId } from '../../redis/topic-ids';

/**
 * Notes in Redis which topics the cursors belong to. To be called before the cursors are made: they then belong to these
 * topics, or to none.
 *
 * @param known topic -> id, from a time before Redis was emptied
 * @throws TallymanError `TOPIC_REPLACED` if others are noted
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
    const noted = await noteTopicId(store, topic, known[topic] ?? id);
    if (noted === id) continue;
    const { code, message, fields } = topicReplaced(topic, noted, id);
    throw new TallymanError(code, message, fields, { exit: EXIT.refused });
  }
}
