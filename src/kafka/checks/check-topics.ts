import { ConfigResourceTypes } from 'kafkajs';
import type { Finding } from '../../lib/finding';
import type { KafkaClient } from '../client';
import { COPIES_WANTED, inSyncOf, liveBrokers, RAISE_COPIES } from '../topics/replication';
import type { PartitionMetadata } from '../topics/topic-metadata';
import {
  DEAD_LETTER_MESSAGE_MAX_BYTES,
  DEAD_LETTER_TOPIC,
  LEDGER_MESSAGE_MAX_BYTES,
  ledgerTopics,
  LOG_APPEND_TIME,
  logRanges,
  topicName,
  USAGE_MESSAGE_MAX_BYTES,
  usageTopics,
  type LogRange,
} from '../topics/topics';

const DAY_MS = 86_400_000;
/**
 * The open month, and the two before it, which are needed to recognise its duplicates: see
 * installation/replay-horizon.ts.
 */
const RETENTION_DAYS_NEEDED = 95;
const RETENTION_DAYS_WANTED = 100;

type Found = Omit<Finding, 'subject'>;

interface Topic {
  readonly server: string;
  readonly name: string;
  readonly partitions: readonly PartitionMetadata[];
  readonly settings: ReadonlyMap<string, string>;
  /** How much each partition holds, from its start to its end. */
  readonly ranges: readonly LogRange[];
}

/** Checks the topic settings that exactness depends on. All topics must exist. */
export async function checkTopics(client: KafkaClient, prefix: string): Promise<Finding[]> {
  const usage = usageTopics(prefix);
  const ledgers = ledgerTopics(prefix);
  const deadLetters = topicName(prefix, DEAD_LETTER_TOPIC);
  const wanted = [...usage, ...ledgers, deadLetters];
  const topics = await describe(client, wanted);
  const hasBrokers = (await liveBrokers(client)).length >= COPIES_WANTED;
  const most = Math.max(
    ...topics.filter(({ name }) => usage.includes(name)).map(({ partitions }) => partitions.length),
  );
  return topics.flatMap((topic) =>
    [
      ...(usage.includes(topic.name) ? checkUsageTopic(topic, most) : []),
      ...(ledgers.includes(topic.name) ? checkLedger(topic) : []),
      ...(topic.name === deadLetters ? checkSize(topic, DEAD_LETTER_MESSAGE_MAX_BYTES) : []),
      ...checkCopies(topic, hasBrokers),
    ].map((found) => ({ subject: topic.name, ...found })),
  );
}

async function describe(client: KafkaClient, names: readonly string[]): Promise<Topic[]> {
  const admin = await client.admin();
  const metadata = await client.topics(names);
  const ranges = await logRanges(client, names);
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: names.map((name) => ({ type: ConfigResourceTypes.TOPIC, name })),
  });
  return [...metadata].map(([name, partitions]) => {
    const entries = resources.find(({ resourceName }) => resourceName === name)?.configEntries ?? [];
    return {
      server: client.bootstrapServer,
      name,
      partitions,
      ranges: ranges.get(name) ?? [],
      settings: new Map(entries.map(({ configName, configValue }) => [configName, configValue])),
    };
  });
}

const alter = ({ server, name }: Topic, setting: string): string =>
  `kafka-configs.sh --bootstrap-server ${server} --alter --entity-type topics --entity-name ${name} --add-config ${setting}`;

function checkUsageTopic(topic: Topic, most: number): Found[] {
  const { partitions, settings } = topic;
  const findings: Found[] = [];
  if (partitions.length !== most) {
    findings.push({
      level: 'error',
      problem: `it has ${partitions.length} partitions, another usage topic ${most}: consumers refuse to start`,
      remedy: `tallyman grow --partitions ${most}`,
    });
  }
  if (settings.get('cleanup.policy')?.includes('compact')) {
    findings.push({
      level: 'error',
      problem: 'it is compacted: events under one key replace each other',
      remedy: alter(topic, 'cleanup.policy=delete'),
    });
  }
  const retentionMs = Number(settings.get('retention.ms'));
  if (retentionMs >= 0 && retentionMs < RETENTION_DAYS_NEEDED * DAY_MS) {
    findings.push({
      level: 'warning',
      problem:
        `it keeps events for ${Math.floor(retentionMs / DAY_MS)} days: a Redis that is restored from an older copy would ` +
        'miss some, and an open month can only be rebuilt or verified with the two before it',
      remedy: alter(topic, `retention.ms=${RETENTION_DAYS_WANTED * DAY_MS}`),
    });
  }
  const retentionBytes = Number(settings.get('retention.bytes'));
  if (retentionBytes >= 0) {
    findings.push({
      level: 'warning',
      problem: `retention.bytes is ${retentionBytes}: in a busy month events are deleted by size, however young they are`,
      remedy: alter(topic, 'retention.bytes=-1'),
    });
  }
  if (settings.get('message.timestamp.type') !== LOG_APPEND_TIME) {
    findings.push({
      level: 'warning',
      problem:
        'producers date its records: retention deletes one with an old date at once, and too_old and from_the_future are ' +
        "judged by the producer's own clock",
      remedy: `after a replay or a migration has ended: ${alter(topic, `message.timestamp.type=${LOG_APPEND_TIME}`)}`,
    });
  }
  return [...findings, ...checkSize(topic, USAGE_MESSAGE_MAX_BYTES)];
}

/** A ledger must be kept forever: a rebuild cannot restore what retention has deleted. */
function checkLedger(topic: Topic): Found[] {
  const policy = topic.settings.get('cleanup.policy') ?? '';
  const findings: Found[] = [];
  if (policy.includes('delete')) {
    findings.push({
      level: 'error',
      problem: `its cleanup.policy is ${policy}: old plans, closes and invoices are deleted, and a rebuild lacks them`,
      remedy: alter(topic, 'cleanup.policy=compact'),
    });
  }
  const astray = topic.ranges.flatMap(({ start, end }, partition) =>
    partition > 0 && end > start ? [partition] : [],
  );
  if (astray.length > 0) {
    findings.push({
      level: 'error',
      problem:
        `it has records in partition ${astray.join(', ')}, and a ledger is partition 0 alone: these plans, closes or ` +
        'invoices do not count',
      remedy: 'publish the records that are right again, under their keys, to partition 0 (kcat -P -p 0)',
    });
  }
  return [...findings, ...checkSize(topic, LEDGER_MESSAGE_MAX_BYTES)];
}

function checkSize(topic: Topic, least: number): Found[] {
  const bytes = Number(topic.settings.get('max.message.bytes'));
  if (!(bytes < least)) return [];
  return [
    {
      level: 'error',
      problem: `it takes messages up to ${bytes} bytes and needs ${least}: a large one would stop what publishes it`,
      remedy: alter(topic, `max.message.bytes=${least}`),
    },
  ];
}

function checkCopies(topic: Topic, hasBrokers: boolean): Found[] {
  const { partitions, settings } = topic;
  const findings: Found[] = [];
  const copies = Math.min(...partitions.map(({ replicas }) => replicas.length));
  if (copies < COPIES_WANTED) {
    findings.push({
      level: 'warning',
      problem: `it has ${copies} of each partition: if the broker loses its disk, its records are gone`,
      remedy: hasBrokers ? RAISE_COPIES : `run ${COPIES_WANTED} brokers, then ${RAISE_COPIES}`,
    });
  } else if (Number(settings.get('min.insync.replicas')) < inSyncOf(copies)) {
    findings.push({
      level: 'warning',
      problem: 'min.insync.replicas is 1: an acknowledged record may be on one disk only',
      remedy: RAISE_COPIES,
    });
  }
  const behind = partitions.filter(({ isr, replicas }) => isr.length < replicas.length);
  if (behind.length > 0) {
    findings.push({
      level: 'warning',
      problem: `${behind.length} of its partitions have a copy that is not in sync`,
      remedy: 'check the brokers: one is down, or cannot keep up',
    });
  }
  if (settings.get('unclean.leader.election.enable') === 'true') {
    findings.push({
      level: 'error',
      problem:
        'a copy that is not in sync may become its leader: acknowledged records are lost, and their offsets used again',
      remedy: alter(topic, 'unclean.leader.election.enable=false'),
    });
  }
  return findings;
}
