import { topicReplaced } from '../../ingest/stop-errors';
import type { Context } from '../../installation/context';
import type { Finding } from '../../lib/finding';
import type { Store } from '../../redis/store';
import { readTopicIds } from '../../redis/cursors';

export async function checkTopicIds(
  context: Context,
  store: Store,
  topics: readonly string[],
): Promise<Finding[]> {
  const findings: Finding[] = [];
  const noted = await readTopicIds(store);
  for (const topic of topics) {
    const id = await context.kafka().topicId(topic);
    const expected = noted.get(topic);
    if (id === undefined) {
      findings.push({
        level: 'warning',
        subject: topic,
        problem: 'Kafka gives it no id, so a topic that is deleted and recreated may not be noticed',
        remedy: 'Kafka 2.8 or later',
      });
    } else if (expected === undefined) {
      const problem = 'Redis does not record which topic its cursors belong to, so consumers refuse to start';
      findings.push({ level: 'error', subject: topic, problem, remedy: 'tallyman init' });
    } else if (id !== expected) {
      const { message } = topicReplaced(topic, expected, id);
      const remedy =
        `set KAFKA_BROKERS to the right Kafka; if it is a true copy: \`redis-cli -u "$REDIS_URL" HDEL ${store.keys.topicIds} ${topic}\`, ` +
        'then tallyman init';
      findings.push({ level: 'error', subject: topic, problem: message, remedy });
    }
  }
  return findings;
}
