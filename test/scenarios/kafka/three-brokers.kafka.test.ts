import { ConfigResourceTypes } from 'kafkajs';
import { startBrokers } from '../../../src/dev/services/native-kafka';
import type { NativeService } from '../../../src/dev/services/service';
import { openKafka, type KafkaClient } from '../../../src/kafka/client';
import { ownTopics, topicName, usageTopics } from '../../../src/kafka/topics/topics';
import type { Finding } from '../../../src/lib/finding';
import { quietLog } from '../../kit/kafka/kafka-harness';
import { installation, type Installation } from '../../kit/tallyman';

let brokers: NativeService[];
let client: KafkaClient;
let tallyman: Installation;
beforeAll(async () => {
  brokers = await startBrokers(3, () => undefined);
  const addresses = brokers.map(({ address }) => address);
  client = openKafka({ brokers: addresses, clientId: 'test' }, quietLog);
  tallyman = installation({ KAFKA_BROKERS: addresses.join(',') });
});
afterAll(async () => {
  await client.close();
  await Promise.all(brokers.map((broker) => broker.stop()));
});

const copiesFound = async (): Promise<string[]> => {
  const { stdout } = await tallyman.run(['doctor', '--json']);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return findings
    .filter(({ problem }) => /of each partition|insync/.test(problem))
    .map(({ remedy }) => remedy);
};

test('init makes one copy only if told, and gives existing topics more', async () => {
  const refused = await tallyman.run(['init', '--partitions', '2', '--replication', '1']);
  expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('[ONE_COPY]') as string });
  const topics = ownTopics(tallyman.prefix);
  expect((await client.topics(topics)).size).toBe(0);
  expect(await tallyman.run(['init', '--replication', '4'])).toMatchObject({
    ...{ code: 1, stderr: expect.stringContaining('[TOO_FEW_BROKERS]') as string },
  });

  await tallyman.ok('init', '--partitions', '2', '--replication', '1', '--allow-one-copy');
  expect(new Set(await copiesFound())).toEqual(new Set(['tallyman init --replication 3']));
  const planned = await tallyman.json<{ raised: string[] }>('init', '--replication', '3', '--dry-run');
  const { raised } = await tallyman.json<{ raised: string[] }>('init', '--replication', '3');
  expect(planned.raised).toEqual(raised);
  expect(raised.sort()).toEqual([...topics].sort());
  for (const [topic, partitions] of await client.topics(topics))
    for (const { replicas, isr } of partitions)
      expect([topic, [...replicas].sort(), [...isr].sort()]).toEqual([topic, [1, 2, 3], [1, 2, 3]]);
  const { resources } = await (
    await client.admin()
  ).describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({ type: ConfigResourceTypes.TOPIC, name })),
  });
  for (const { configEntries } of resources) {
    const valueOf = (name: string) =>
      configEntries.find(({ configName }) => configName === name)?.configValue;
    expect(valueOf('min.insync.replicas')).toBe('2');
    expect(Number(valueOf('max.message.bytes'))).toBeGreaterThan(1_048_588);
  }
  expect(await copiesFound()).toEqual([]);
  expect(await tallyman.json('init', '--replication', '3')).toMatchObject({
    topics: [],
    raised: [],
    cursors: 0,
  });
});

test('with one broker down, and a topic of somebody else without a leader, nothing stops', async () => {
  const others = topicName(tallyman.prefix, 'of-others');
  await (
    await client.admin()
  ).createTopics({
    topics: [{ topic: others, replicaAssignment: [{ partition: 0, replicas: [3] }] }],
  });
  await brokers[2]!.kill('SIGKILL');
  const time = new Date().toISOString();
  const events = Array.from({ length: 200 }, (_, i) =>
    JSON.stringify({
      ...{
        specversion: '1.0',
        id: `e${i}`,
        source: '/test',
        type: 'usage.session.v1',
        subject: `p${i % 7}`,
        time,
      },
      data: { service: 'webrtc', durationMs: 60_000 },
    }),
  );
  const published = await tallyman.run(['publish', '-'], events.join('\n'));
  expect(published).toMatchObject({ code: 0 });
  await tallyman.ok('consume', '--until-caught-up');
  await Promise.all([
    tallyman.ok('init', '--replication', '3'),
    tallyman.ok('doctor'),
    tallyman.ok('verify'),
    tallyman.ok('projects', 'set', 'p0', '--plan', 'build'),
  ]);
  const totals = await Promise.all(
    Array.from({ length: 7 }, (_, i) =>
      tallyman
        .json<{ totals: Record<string, string> }>('totals', `p${i}`)
        .then((one) => one.totals['session.webrtc']),
    ),
  );
  expect(totals.reduce((sum, one) => sum + Number(one), 0)).toBe(200 * 60);
  expect((await client.topics([others])).get(others)![0]!.leader).toBe(-1);
  expect(usageTopics(tallyman.prefix)).toHaveLength(4);
});
