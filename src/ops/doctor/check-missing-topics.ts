import { DELETED_REMEDY, deletedTopics } from '../../installation/deleted-topics';
import type { Context } from '../../installation/context';
import { TallymanError } from '../../lib/errors';
import type { Finding } from '../../lib/finding';
import type { KafkaClient } from '../../kafka/client';
import { checkNoneAutoCreated, topicName } from '../../kafka/topics/topics';
import { INIT_DEFAULTS } from '../init-defaults';
import type { Store } from '../../redis/store';

export async function checkMissingTopics(
  { config, kafka }: Context,
  store: Store,
  missing: readonly string[],
): Promise<Finding[]> {
  const made = await autoCreated(kafka(), config.prefix, missing);
  const deleted = new Set(await deletedTopics(kafka(), store, config.prefix, missing));
  const findings = missing.map((subject): Finding => ({
    level: 'error',
    subject,
    ...(deleted.has(subject)
      ? { problem: 'the topic is missing, and this installation has used it', remedy: DELETED_REMEDY }
      : { problem: 'the topic is missing, so nothing can be published to it', remedy: 'tallyman init' }),
  }));
  return [...made, ...findings];
}

async function autoCreated(
  kafka: KafkaClient,
  prefix: string,
  missing: readonly string[],
): Promise<Finding[]> {
  if (!missing.includes(topicName(prefix, 'billing.settings'))) return [];
  try {
    await checkNoneAutoCreated(kafka, prefix, INIT_DEFAULTS);
    return [];
  } catch (error) {
    if (!(error instanceof TallymanError) || error.code !== 'TOPIC_AUTO_CREATED') throw error;
    const { topics, commands } = error.fields as { topics: string[]; commands: string[] };
    const problem = 'it exists before `init`, with other settings than Tallyman needs';
    const remedy = commands.join('; then ');
    return [{ level: 'error', code: error.code, subject: topics.join(', '), problem, remedy }];
  }
}
