import { TallymanError } from '../lib/errors';
import type { KafkaClient } from '../kafka/client';
import { topicName } from '../kafka/topics/topics';
import { invoicesView } from '../redis/views/invoices';
import { closesView, projectsView } from '../redis/views/ledger-view';
import type { Store } from '../redis/store';
import { readTopicIds } from '../redis/cursors';
import { readCountingRecord } from './recorded-settings';

export const DELETED_REMEDY =
  'set KAFKA_BROKERS to the right Kafka, or restore the topic with its offsets; see TOPICS_MISSING in docs/operating/repair.md';

/**
 * The missing topics that this installation has used: its cursors belong to them, or Redis shows
 * their records. They were deleted, or this is another Kafka. If they were recreated, they would be
 * empty, and their new events would be taken for counted ones.
 */
export async function deletedTopics(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  missing: readonly string[],
): Promise<string[]> {
  if (missing.length === 0) return [];
  const used = new Set((await readTopicIds(store)).keys());
  const settings = topicName(prefix, 'billing.settings');
  // They are recorded before the first cursor.
  if (used.size > 0) used.add(settings);
  if ((await kafka.topics([settings])).has(settings)) {
    const { begins } = await readCountingRecord(kafka, prefix);
    for (const cursors of begins.values()) for (const topic of cursors.keys()) used.add(topic);
  }
  for (const view of [projectsView(store), closesView(store), invoicesView(store)]) {
    const { position } = await view.find();
    if (position !== undefined && position.next > 0) used.add(topicName(prefix, view.ledger));
  }
  return missing.filter((topic) => used.has(topic));
}

export function topicsDeleted(topics: readonly string[]): TallymanError {
  return new TallymanError(
    'TOPICS_MISSING',
    `Kafka has no topic ${topics.join(', ')}, which this installation has used: ${DELETED_REMEDY}.`,
    { topics },
  );
}

/**
 * @returns the error to report in place of `TOPICS_MISSING`, which is another one if a topic was
 *   deleted
 */
export async function missingOrDeleted(
  error: TallymanError,
  kafka: KafkaClient,
  store: Store,
  prefix: string,
): Promise<TallymanError> {
  const missing = (error.fields['topics'] ?? []) as readonly string[];
  const deleted = await deletedTopics(kafka, store, prefix, missing);
  return deleted.length > 0 ? topicsDeleted(deleted) : error;
}
