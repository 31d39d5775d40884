import { DELETED_REMEDY, deletedTopics } from '../../installation/used-topics';
import type { Context } from '../../installation/context';
import type { Finding } from '../../lib/finding';
import type { Store } from '../../redis/store';

export async function checkMissingTopics(
  { config, kafka }: Context,
  store: Store,
  missing: readonly string[],
): Promise<Finding[]> {
  const deleted = new Set(await deletedTopics(kafka(), store, config.prefix, missing));
  return missing.map((subject) => ({
    level: 'error',
    subject,
    ...(deleted.has(subject)
      ? { problem: 'the topic is missing, and this installation has used it', remedy: DELETED_REMEDY }
      : { problem: 'the topic is missing, so nothing can be published to it', remedy: 'tallyman init' }),
  }));
}
