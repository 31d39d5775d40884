import { once } from 'node:events';
import { Redis } from 'ioredis';
import { ConfigResourceTypes } from 'kafkajs';
import { startBrokers } from '../../../src/dev/services/native-kafka';
import type { NativeService } from '../../../src/dev/services/service';
import { checkLedgerEnds } from '../../../src/installation/ledgers/ledger-ends';
import { openKafka, type KafkaClient } from '../../../src/kafka/client';
import { createPublisher } from '../../../src/kafka/producer';
import { readRange } from '../../../src/kafka/read-range';
import { logRanges, ownTopics, topicName, LEDGER_MESSAGE_MAX_BYTES } from '../../../src/kafka/topics/topics';
import type { Finding } from '../../../src/lib/finding';
import { openStore } from '../../../src/redis/store';
import { eventually } from '../../kit/eventually';
import { quietLog } from '../../kit/kafka/kafka-harness';
import { testRedisUrl } from '../../kit/services';
import { installation, type Installation } from '../../kit/tallyman';

let brokers: NativeService[];
let client: KafkaClient;
beforeAll(async () => {
  brokers = await startBrokers(3, () => undefined);
  const addresses = brokers.map(({ address }) => address);
  client = openKafka({ brokers: addresses, clientId: 'test' }, quietLog);
});
afterAll(async () => {
  await client.close();
  await Promise.all(brokers.map((broker) => broker.stop()));
});

const ownInstallation = (): Installation =>
  installation({ KAFKA_BROKERS: brokers.map(({ address }) => address).join(',') });

/** Kills a broker. The next test finds it running again. */
const down = new Set<number>();
async function kill(broker: number): Promise<void> {
  down.add(broker);
  await brokers[broker]!.kill('SIGKILL');
}
async function restart(broker: number): Promise<void> {
  await brokers[broker]!.restart();
  down.delete(broker);
}
beforeEach(async () => {
  for (const broker of down) await restart(broker);
  const admin = await client.admin();
  await eventually(async () => (await admin.describeCluster()).brokers.length === brokers.length, {
    ...{ what: 'all brokers run', timeoutMs: 60_000 },
  });
});

/** A minute each. */
const eventsOf = (ids: string, count: number, projects = 1): string[] =>
  Array.from({ length: count }, (_, i) =>
    JSON.stringify({
      ...{ specversion: '1.0', id: `${ids}-${i}`, source: '/test', type: 'usage.session.v1' },
      ...{ subject: projects === 1 ? 'acme' : `p${i % projects}`, time: new Date().toISOString() },
      data: { service: 'webrtc', durationMs: 60_000 },
    }),
  );

const copiesFound = async (tallyman: Installation): Promise<string[]> => {
  const { stdout } = await tallyman.run(['doctor', '--json']);
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return findings
    .filter(({ problem }) => /of each partition|insync/.test(problem))
    .map(({ remedy }) => remedy);
};

test('init makes one copy only if told, and gives existing topics more', async () => {
  const tallyman = ownInstallation();
  const refused = await tallyman.run(['init', '--partitions', '2', '--replication', '1']);
  expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('[ONE_COPY]') as string });
  const topics = ownTopics(tallyman.prefix);
  expect((await client.topics(topics)).size).toBe(0);
  expect(await tallyman.run(['init', '--replication', '4'])).toMatchObject({
    ...{ code: 1, stderr: expect.stringContaining('[TOO_FEW_BROKERS]') as string },
  });

  await tallyman.ok('init', '--partitions', '2', '--replication', '1', '--allow-one-copy');
  expect(new Set(await copiesFound(tallyman))).toEqual(new Set(['tallyman init --replication 3']));
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
  expect(await copiesFound(tallyman)).toEqual([]);
  expect(await tallyman.json('init', '--replication', '3')).toMatchObject({
    topics: [],
    raised: [],
    cursors: 0,
  });
});

test('a leader that moves to a broker which has answered loses nothing of what is published', async () => {
  const topic = topicName(ownInstallation().prefix, 'moving');
  const admin = await client.admin();
  const replicaAssignment = [1, 2].map((broker, partition) => ({ partition, replicas: [broker] }));
  await admin.createTopics({ topics: [{ topic, replicaAssignment }] });
  const leaders = async (): Promise<number[]> =>
    (await client.topics([topic])).get(topic)!.map(({ leader }) => leader);
  await eventually(async () => (await leaders()).join() === '1,2', { timeoutMs: 60_000 });
  const publisher = await createPublisher(client);
  // Records without a key, which kafkajs distributes again at each attempt.
  const records = (from: number) =>
    Array.from({ length: 100 }, (_, i) => ({ key: null, value: String(from + i) }));
  await publisher.publish(topic, records(0));
  const partitionAssignment = [{ partition: 1, replicas: [1] }];
  await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
  await eventually(async () => (await leaders()).join() === '1,1', { timeoutMs: 60_000 });
  await publisher.publish(topic, records(100));
  await publisher.close();
  const found = new Set<string>();
  for (const [partition, { start, end }] of (await logRanges(client, [topic])).get(topic)!.entries())
    for await (const part of readRange(client, { topic, partition, from: start, to: end }))
      for (const { value } of part) found.add(String(value));
  expect(found.size).toBe(200);
});

test('with one broker down, and a topic of somebody else without a leader, nothing stops', async () => {
  const tallyman = ownInstallation();
  await tallyman.ok('init', '--partitions', '2', '--replication', '3');
  const others = topicName(tallyman.prefix, 'of-others');
  await (
    await client.admin()
  ).createTopics({
    topics: [{ topic: others, replicaAssignment: [{ partition: 0, replicas: [3] }] }],
  });
  await eventually(async () => (await client.topics([others])).get(others)?.[0]?.leader === 3);
  await logRanges(client, [others]);
  await kill(2);
  // An election takes longer than a command tries.
  await eventually(
    async () => {
      const found = await client.topics([...ownTopics(tallyman.prefix), others]);
      const leaders = [...found].flatMap(([topic, all]) => all.map(({ leader }) => [topic, leader] as const));
      return leaders.every(([topic, leader]) =>
        topic === others ? leader === -1 : leader > 0 && leader < 3,
      );
    },
    { what: 'others lead', timeoutMs: 60_000 },
  );
  const events = eventsOf('e', 200, 7);
  const published = await tallyman.run(['publish', '-'], events.join('\n'));
  expect(published).toMatchObject({ code: 0, stderr: '' });
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

  // The same for who has read the topic that has no leader now: topics that are new to it.
  const topic = topicName(tallyman.prefix, 'usage.session');
  expect((await client.listOffsets([topic], 'end')).get(topic)!.reduce((a, b) => a + b)).toBe(200);
  const agent = topicName(tallyman.prefix, 'usage.agent');
  expect(await client.epochEnds(agent, [{ partition: 0, epoch: 0 }])).toHaveLength(1);
  const settings = { topic: topicName(tallyman.prefix, 'billing.settings'), partition: 0, position: 0 };
  const { next } = await (await client.reader()).fetch({ ...settings, maxWaitMs: 500, maxBytes: 1_000 });
  expect(next).toBeGreaterThan(0);
  await expect(client.listOffsets([others], 'end')).rejects.toThrow(`${others}/0 has no leader`);
});

test('counted events that an unclean election has lost stop everything, whatever was written since', async () => {
  const own = ownInstallation();
  const topic = topicName(own.prefix, 'usage.session');
  const ledgers = ['billing.invoices', 'billing.totals'].map((ledger) => topicName(own.prefix, ledger));
  const topics = [topic, ...ledgers];
  await (
    await client.admin()
  ).createTopics({
    topics: topics.map((one) => ({
      topic: one,
      replicaAssignment: [{ partition: 0, replicas: [1, 2] }],
      configEntries: [
        { name: 'max.message.bytes', value: String(LEDGER_MESSAGE_MAX_BYTES) },
        { name: 'min.insync.replicas', value: '1' },
        { name: 'unclean.leader.election.enable', value: 'true' },
      ],
    })),
  });
  await own.ok('init', '--partitions', '1');
  const led = (leader: number, isr: number[]) =>
    eventually(
      async () =>
        [...(await client.topics(topics)).values()].every(
          ([partition]) => partition!.leader === leader && partition!.isr.join() === isr.join(),
        ),
      { what: `${leader} leads`, timeoutMs: 60_000 },
    );
  const minutes = async (): Promise<number> => {
    const { totals } = await own.json<{ totals: Record<string, string> }>('totals', 'acme');
    return Number(totals['session.webrtc'] ?? 0) / 60;
  };
  const publish = async (ids: string, count: number) =>
    expect(await own.run(['publish', '-'], eventsOf(ids, count).join('\n'))).toMatchObject({ code: 0 });

  const store = await openStore({ url: testRedisUrl(), prefix: own.prefix });
  const publisher = await createPublisher(client);
  /** Withdrawals of documents that nobody has seen. */
  const write = async (count: number): Promise<void> => {
    const records = Array.from({ length: count }, (_, i) => ({ key: `acme-2020-0${i + 1}`, value: null }));
    for (const ledger of ledgers) await publisher.publish(ledger, records);
  };

  await led(1, [1, 2]);
  await publish('kept', 100);
  await write(1);
  await kill(1);
  await led(1, [1]);
  await publish('lost', 50);
  await write(2);
  await own.ok('invoices', 'list');
  await checkLedgerEnds(client, store, own.prefix);
  const consumer = own.start('consume');
  let said = '';
  consumer.stderr!.on('data', (part: Buffer) => (said += part.toString()));
  const ended = once(consumer, 'exit');
  await eventually(async () => (await minutes()) === 150, { timeoutMs: 60_000, what: '150 are counted' });

  // It would stop as soon as it saw the end of the log before its cursor.
  consumer.kill('SIGSTOP');
  await kill(0);
  await restart(1);
  await led(2, [2]);
  // More than were lost, so the log is longer than the cursor by now.
  await publish('new', 90);
  await write(5);
  consumer.kill('SIGCONT');
  expect(await ended).toEqual([1, null]);
  expect(said).toContain('[LOG_DIVERGED]');
  const lastMonth = new Date();
  lastMonth.setUTCDate(0);
  const month = lastMonth.toISOString().slice(0, 7);
  for (const words of [['consume'], ['consume', '--until-caught-up'], ['close', month]])
    expect(await own.run(words)).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining('[LOG_DIVERGED]') as string },
    });
  expect(await minutes()).toBe(150);

  const { findings } = JSON.parse((await own.run(['doctor', '--json'])).stdout) as { findings: Finding[] };
  const diverged = findings.filter(({ code }) => code === 'LOG_DIVERGED');
  expect(diverged.map(({ subject }) => subject).sort()).toEqual([...ledgers, `${topic}/0`].sort());
  const { remedy } = diverged.find(({ subject }) => subject === `${topic}/0`)!;
  const [, key, field, offset] = /redis-cli -u \$REDIS_URL HSET '(.*)' (\S+) (\d+)`$/.exec(remedy)!;
  const redis = new Redis(testRedisUrl());
  await redis.hset(key!, field!, offset!);
  redis.disconnect();
  await own.ok('consume', '--until-caught-up');
  expect(await minutes()).toBe(240);

  // Nobody reads the ledgers, and no invoice goes out, although consumers count on.
  for (const words of [
    ['close', month],
    ['invoices', 'list'],
  ])
    expect(await own.run(words)).toMatchObject({
      ...{ code: 1, stderr: expect.stringContaining(ledgers[0]!) as string },
    });
  // A topic of the other client has no leader now, so that one learns nothing new.
  const another = openKafka({ brokers: brokers.map(({ address }) => address), clientId: 'test' }, quietLog);
  await expect(checkLedgerEnds(another, store, own.prefix)).rejects.toMatchObject({
    ...{ code: 'LOG_DIVERGED', fields: { topic: ledgers[1] } },
  });
  await own.ok('rebuild', '--empty');
  await own.ok('invoices', 'list');
  await own.ok('close', month);
  await Promise.all([store.close(), publisher.close(), another.close()]);
}, 300_000);
