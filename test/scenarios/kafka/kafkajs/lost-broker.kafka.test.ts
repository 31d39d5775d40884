import type { Socket } from 'node:net';
import ConsumerGroup from 'kafkajs/src/consumer/consumerGroup';
import { openKafka } from '../../../../src/kafka/client';
import { createPublisher } from '../../../../src/kafka/producer';
import { createTopicConsumer } from '../../../../src/ingest/consumer';
import { createTopics, topicName } from '../../../../src/kafka/topics/topics';
import { eventually } from '../../../kit/eventually';
import { ownServices, type OwnServices } from '../../../kit/servers/own-services';
import {
  countTo,
  MemoryDeadLetters,
  MemoryTotals,
  quietLog,
  rateAnything,
} from '../../../kit/kafka/kafka-harness';

/**
 * When its only broker goes away, kafkajs's consumer crashes ("No broker available"), and with
 * `restartOnFailure: false` stays down. A broker that is restarted is everyday life: the runner
 * rides it out.
 */
let services: OwnServices;
beforeAll(async () => (services = await ownServices()));
afterAll(() => services.stop());

it.each(['SIGKILL', 'SIGTERM'] as const)(
  'a broker that goes by %s and comes back is ridden out',
  async (signal) => {
    const client = openKafka({ brokers: services.brokers, clientId: 'test' });
    const prefix = signal.toLowerCase();
    const topic = topicName(prefix, 'usage.session');
    await createTopics(client, prefix, { partitions: 2, replication: 1, retentionDays: 1 });
    const totals = new MemoryTotals(2);
    const fatal: unknown[] = [];
    const runner = createTopicConsumer({
      ...{ client, topic, totals, logger: quietLog, rate: rateAnything },
      groupId: `${prefix}.tallyman.session`,
      deadLetters: new MemoryDeadLetters(),
      onFatal: (error) => void fatal.push(error),
    });
    const fill = async (): Promise<void> => {
      const publisher = await createPublisher(client);
      const records = Array.from({ length: 500 }, (_, i) => ({
        key: null,
        value: `v${i}`,
        partition: i % 2,
      }));
      await publisher.publish(topic, records);
      await publisher.close();
    };
    // A publisher that repeats a request may write its records twice, so there may be more.
    const counted = (atLeast: number): Promise<boolean> =>
      eventually(() => [0, 1].every((shard) => totals.offsets(shard).length >= atLeast), {
        ...{ timeoutMs: 60_000, what: `${atLeast} records of each partition counted` },
      });
    try {
      await fill();
      await runner.start();
      await counted(250);

      await services.kafka.kill(signal);
      await eventually(() => runner.status().idleMs > 3_000, {
        timeoutMs: 60_000,
        what: 'the loop to stand still',
      });
      await services.kafka.restart();
      await eventually(() => fill().then(() => true), { timeoutMs: 60_000, what: 'publishing again' });
      await counted(500);
      for (const shard of [0, 1])
        expect(totals.offsets(shard)).toEqual(countTo(totals.offsets(shard).length));
      expect(fatal).toEqual([]);
    } finally {
      await runner.stop();
      await client.close();
    }
  },
);

it('stops without its broker', async () => {
  const client = openKafka({ brokers: services.brokers, clientId: 'test' });
  const topic = topicName('stop', 'usage.session');
  await createTopics(client, 'stop', { partitions: 1, replication: 1, retentionDays: 1 });
  const fatal: unknown[] = [];
  const runner = createTopicConsumer({
    ...{ client, topic, totals: new MemoryTotals(1), logger: quietLog, rate: rateAnything },
    groupId: 'stop.tallyman.session',
    deadLetters: new MemoryDeadLetters(),
    onFatal: (error) => void fatal.push(error),
  });
  await runner.start();
  await services.kafka.kill('SIGKILL');
  try {
    await runner.stop();
    await client.close();
    expect(fatal).toEqual([]);
  } finally {
    await services.kafka.restart();
  }
});

describe('a client that is closed', () => {
  async function consuming(name: string) {
    const topic = topicName(name, 'usage.session');
    const other = openKafka({ brokers: services.brokers, clientId: 'test' });
    await createTopics(other, name, { partitions: 1, replication: 1, retentionDays: 1 });
    await other.close();
    const client = openKafka({ brokers: services.brokers, clientId: 'test' });
    const join = jest.spyOn(ConsumerGroup.prototype, 'joinAndSync');
    const consumer = client.kafkajs.consumer({ groupId: `${name}.tallyman.session` });
    await consumer.connect();
    await consumer.subscribe({ topic });
    await consumer.run({ eachBatch: () => Promise.resolve() });
    return { client, consumer, group: (join.mock.contexts as ConsumerGroup[]).at(-1)! };
  }

  async function expectNoConnection(): Promise<void> {
    await eventually(() => socketsTo(services.kafka.port) === 0, { what: 'its connections to close' });
  }

  it('leaves no connection to a broker that kafkajs forgot, as it does when a connection breaks', async () => {
    const { client, consumer, group } = await consuming('forgot');
    group.cluster.removeBroker({ host: '127.0.0.1', port: services.kafka.port });
    await consumer.disconnect();
    await client.close();
    await expectNoConnection();
  });

  it('leaves none that a late heartbeat opened, of a batch that outlasts its membership', async () => {
    const { client, consumer, group } = await consuming('late');
    await consumer.disconnect();
    const heartbeat = { groupId: 'late', groupGenerationId: 1, memberId: 'gone' };
    await eventually(async () => {
      // The end of the old connection may end the new one.
      await group.coordinator!.heartbeat(heartbeat).catch(() => undefined);
      return socketsTo(services.kafka.port) > 0;
    });
    await client.close();
    await expectNoConnection();
    // Nor does it open any later.
    await expect(group.coordinator!.heartbeat(heartbeat)).rejects.toThrow('the client was closed');
    await expectNoConnection();
  });

  it('waits for no answer', async () => {
    const client = openKafka({ brokers: services.brokers, clientId: 'test' });
    await client.topics(['none']);
    services.kafka.pause();
    try {
      const asked = expect(client.topics(['none'])).rejects.toThrow();
      await client.close();
      await asked;
    } finally {
      services.kafka.resume();
    }
  });
});

function socketsTo(port: number): number {
  const handles = (process as unknown as { _getActiveHandles: () => object[] })._getActiveHandles();
  return handles.filter((handle) => (handle as Socket).remotePort === port).length;
}
