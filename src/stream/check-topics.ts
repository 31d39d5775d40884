import { ConfigResourceTypes } from 'kafkajs';
import type { Finding } from '../finding';
import type { KafkaClient } from './kafka';
import { usageTopics } from './topics';

const DAY_MS = 86_400_000;
/** A month and its grace, so that an open month can always be counted anew. */
const RETENTION_DAYS_NEEDED = 35;
const COPIES_WANTED = 3;

/** Checks the settings of the usage topics that exactness stands on. */
export async function checkTopics(client: KafkaClient, prefix: string): Promise<Finding[]> {
  const admin = await client.admin();
  const topics = usageTopics(prefix);
  const existing = new Set(await admin.listTopics());
  const missing = topics.filter((topic) => !existing.has(topic));
  if (missing.length > 0) {
    return missing.map((topic) => ({
      level: 'error',
      subject: topic,
      problem: 'the topic is missing: what is published to it goes nowhere',
      remedy: 'tallyman init',
    }));
  }
  const metadata = await admin.fetchTopicMetadata({ topics });
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({ type: ConfigResourceTypes.TOPIC, name })),
  });

  const findings: Finding[] = [];
  const most = Math.max(...metadata.topics.map(({ partitions }) => partitions.length));
  for (const { name: subject, partitions } of metadata.topics) {
    const find = (level: Finding['level'], problem: string, remedy: string): void => {
      findings.push({ level, subject, problem, remedy });
    };
    const settings = new Map(
      resources
        .find(({ resourceName }) => resourceName === subject)
        ?.configEntries.map(({ configName, configValue }) => [configName, configValue]),
    );
    const alter = (setting: string): string =>
      `kafka-configs.sh --alter --entity-type topics --entity-name ${subject} --add-config ${setting}`;

    if (partitions.length !== most) {
      find(
        'error',
        `it has ${partitions.length} partitions, another usage topic ${most}: consumers refuse to start`,
        `kafka-topics.sh --alter --topic ${subject} --partitions ${most}; then tallyman init`,
      );
    }
    if (settings.get('cleanup.policy')?.includes('compact')) {
      find(
        'error',
        'it is compacted: events under one key replace each other',
        alter('cleanup.policy=delete'),
      );
    }
    const retentionMs = Number(settings.get('retention.ms'));
    if (retentionMs >= 0 && retentionMs < RETENTION_DAYS_NEEDED * DAY_MS) {
      find(
        'warning',
        `it keeps events for ${Math.floor(retentionMs / DAY_MS)} days: a Redis that is restored from an older copy, or a ` +
          'month that is counted anew, would miss some',
        alter(`retention.ms=${100 * DAY_MS}`),
      );
    }
    if (settings.get('message.timestamp.type') === 'LogAppendTime') {
      find(
        'warning',
        'brokers overwrite timestamps: late producers look punctual',
        alter('message.timestamp.type=CreateTime'),
      );
    }
    const copies = Math.min(...partitions.map(({ replicas }) => replicas.length));
    if (copies < COPIES_WANTED) {
      find(
        'warning',
        `it has ${copies} of each partition: with the broker's disk the events are gone`,
        'raise the replication to 3',
      );
    } else if (Number(settings.get('min.insync.replicas')) < 2) {
      find(
        'warning',
        'min.insync.replicas is 1: an acknowledged event may be on one disk only',
        alter('min.insync.replicas=2'),
      );
    }
  }
  return findings;
}
