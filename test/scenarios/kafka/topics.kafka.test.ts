import { ConfigResourceTypes } from 'kafkajs';
import type { KafkaClient } from '../../../src/kafka/client';
import { checkTopics } from '../../../src/kafka/checks/check-topics';
import { createPublisher } from '../../../src/kafka/producer';
import { readRange } from '../../../src/kafka/read-range';
import {
  checkCoPartitioned,
  createTopics,
  logEnds,
  logRanges,
  logStarts,
  missingTopics,
  topicName,
  usageTopics,
} from '../../../src/kafka/topics/topics';
import { eventually } from '../../kit/eventually';
import { uniquePrefix } from '../../kit/services';
import { createTopic, openTestKafka } from '../../kit/kafka/kafka-harness';

const settings = { partitions: 5, replication: 1, retentionDays: 100 };
let client: KafkaClient;
let prefix: string;
beforeEach(() => {
  client = openTestKafka();
  prefix = uniquePrefix();
});
afterEach(() => client.close());

async function configOf(topic: string): Promise<Record<string, string>> {
  const admin = await client.admin();
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topicName(prefix, topic) }],
  });
  return Object.fromEntries(
    (resources[0]?.configEntries ?? []).map(({ configName, configValue }) => [configName, configValue]),
  );
}

it('makes the usage topics, the dead letters and the ledger', async () => {
  const created = await createTopics(client, prefix, settings);
  expect(created.sort()).toEqual(
    [
      'usage.session',
      'usage.transfer',
      'usage.agent',
      'usage.inference',
      'usage.dead-letters',
      'billing.projects',
      'billing.closes',
      'billing.invoices',
      'billing.settings',
      'billing.totals',
      'billing.alerts',
    ]
      .map((topic) => topicName(prefix, topic))
      .sort(),
  );
  expect(await checkCoPartitioned(client, prefix)).toBe(5);
  for (const topic of ['usage.session', 'usage.inference']) {
    expect(await configOf(topic)).toMatchObject({
      'cleanup.policy': 'delete',
      'retention.ms': String(100 * 86_400_000),
      'max.message.bytes': '2097152',
      'message.timestamp.type': 'LogAppendTime',
    });
  }
  expect(await configOf('usage.dead-letters')).toMatchObject({
    'retention.ms': String(100 * 86_400_000),
    'message.timestamp.type': 'LogAppendTime',
  });
  for (const topic of ['billing.projects', 'billing.closes', 'billing.invoices']) {
    expect(await configOf(topic)).toMatchObject({ 'cleanup.policy': 'compact' });
  }
});

it('dates records by the broker, or by their producer where a replay asks for it', async () => {
  const own = Date.UTC(2023, 11, 15);
  const datesOf = async (timestamps: 'append' | 'create'): Promise<number> => {
    const named = `${prefix}-${timestamps}`;
    await createTopics(client, named, { ...settings, partitions: 1, timestamps });
    const topic = topicName(named, 'usage.session');
    const publisher = await createPublisher(client);
    await publisher.publish(topic, [{ key: 'acme', value: 'x', timestampMs: own }]);
    await publisher.close();
    for await (const [record] of readRange(client, { topic, partition: 0, from: 0, to: 1 }))
      return record!.timestampMs;
    return Number.NaN;
  };
  expect(await datesOf('create')).toBe(own);
  expect(Math.abs((await datesOf('append')) - Date.now())).toBeLessThan(60_000);
});

it('asks for its own topics by name: that of somebody else may be unreadable', async () => {
  await createTopics(client, prefix, settings);
  const admin = await client.admin();
  for (const name of ['listTopics', 'fetchTopicMetadata'] as const) {
    jest.spyOn(admin, name).mockRejectedValue(new Error('there is no leader for a topic of somebody else'));
  }
  expect(await createTopics(client, prefix, settings)).toEqual([]);
  expect(await checkCoPartitioned(client, prefix)).toBe(5);
  expect(await missingTopics(client, prefix)).toEqual([]);
  expect(await checkTopics(client, prefix)).not.toEqual([]);
  const [session, never] = [topicName(prefix, 'usage.session'), topicName(prefix, 'usage.never')];
  const found = await client.topics([never, session]);
  expect([...found.keys()]).toEqual([session]);
  expect(
    found
      .get(session)!
      .map(({ partitionId }) => partitionId)
      .sort(),
  ).toEqual([0, 1, 2, 3, 4]);
});

it('leaves alone what is there', async () => {
  await createTopics(client, prefix, settings);
  expect(await createTopics(client, prefix, { ...settings, partitions: 9, retentionDays: 1 })).toEqual([]);
  expect(await checkCoPartitioned(client, prefix)).toBe(5);
  expect(await configOf('usage.agent')).toMatchObject({ 'retention.ms': String(100 * 86_400_000) });
});

it('refuses a topic that takes too little', async () => {
  await createTopic(client, { topic: topicName(prefix, 'usage.dead-letters') });
  await expect(createTopics(client, prefix, settings)).rejects.toMatchObject({
    code: 'TOPIC_TOO_NARROW',
    fields: { topic: topicName(prefix, 'usage.dead-letters'), least: 8_388_608 },
  });
});

it('refuses usage topics that are missing, or of different size', async () => {
  await expect(checkCoPartitioned(client, prefix)).rejects.toMatchObject({ code: 'TOPICS_MISSING' });
  await createTopics(client, prefix, settings);
  const admin = await client.admin();
  await admin.createPartitions({ topicPartitions: [{ topic: topicName(prefix, 'usage.agent'), count: 7 }] });
  const error = await eventually(() =>
    checkCoPartitioned(client, prefix).then(
      () => undefined,
      (refused: unknown) => refused,
    ),
  );
  expect(error).toMatchObject({
    code: 'NOT_CO_PARTITIONED',
    fields: { partitions: expect.objectContaining({ [topicName(prefix, 'usage.agent')]: 7 }) as object },
  });
});

it('knows where each log starts and ends', async () => {
  await createTopics(client, prefix, settings);
  const publisher = await createPublisher(client);
  const [session, transfer] = usageTopics(prefix) as [string, string];
  const records = Array.from({ length: 10 }, () => ({ key: null, value: 'x', partition: 3 }));
  await publisher.publish(session, records);
  await publisher.close();
  const admin = await client.admin();
  // kafkajs's admin does not wait until it knows the leader of a new topic.
  await eventually(() => admin.fetchTopicOffsets(session));
  await admin.deleteTopicRecords({ topic: session, partitions: [{ partition: 3, offset: '4' }] });
  expect(await logStarts(client, [session, transfer])).toEqual(
    new Map([
      [session, [0, 0, 0, 4, 0]],
      [transfer, [0, 0, 0, 0, 0]],
    ]),
  );
  expect((await logEnds(client, [session])).get(session)).toEqual([0, 0, 0, 10, 0]);
  expect((await logRanges(client, [session])).get(session)?.[3]).toEqual({ start: 4, end: 10 });
});
