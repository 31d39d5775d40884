import { TallymanError } from '../lib/errors';
import { within } from '../lib/process/poller';
import type { KafkaClient } from '../kafka/client';
import { logEnds, topicName, usageTopics } from '../kafka/topics/topics';
import { readCursors } from '../redis/cursors';
import type { Store } from '../redis/store';

/** Topics that an installation publishes to only after its first start. */
const LEDGERS = ['billing.projects', 'billing.closes', 'billing.invoices'];
/**
 * `init` publishes to the last one. `doctor` recommends a rebuild even if only events were lost.
 */
export const ALL_LEDGERS = [...LEDGERS, 'billing.settings'];

/**
 * Whether Redis was emptied: it holds no cursor at all, but the ledgers hold records. New cursors
 * alone would count the events again, but without plans and closes.
 */
export async function isRedisEmptied(
  kafka: KafkaClient,
  store: Store,
  prefix: string,
  names: readonly string[] = LEDGERS,
): Promise<boolean> {
  const topics = usageTopics(prefix);
  const partitions = [...(await logEnds(kafka, topics)).values()].map(({ length }) => length);
  for (let shard = 0; shard < Math.max(0, ...partitions); shard += 1) {
    const cursors = await readCursors(store, shard);
    if (topics.some((topic) => cursors.has(topic))) return false;
  }
  const ledgers = names.map((name) => topicName(prefix, name));
  return [...(await logEnds(kafka, ledgers)).values()].flat().some((end) => end > 0);
}

export const EMPTIED_PROBLEM =
  'it was emptied: it contains no cursor, but Kafka contains the records of this installation';

export const EMPTIED_MESSAGE = `Redis: ${EMPTIED_PROBLEM}. Run \`tallyman rebuild\`.`;

/** How long an error may wait until it is known whether Redis was emptied. */
const PATIENCE_MS = 10_000;

/**
 * Replaces an error about something missing if the cause is that Redis was emptied. Otherwise the
 * user would be sent to `init`, which refuses then.
 */
export async function tellIfEmptied(
  error: TallymanError,
  kafka: KafkaClient,
  store: Store,
  prefix: string,
): Promise<TallymanError> {
  const asked = isRedisEmptied(kafka, store, prefix).catch(() => false);
  return (await within(PATIENCE_MS, asked)) ? new TallymanError('REDIS_EMPTIED', EMPTIED_MESSAGE) : error;
}
