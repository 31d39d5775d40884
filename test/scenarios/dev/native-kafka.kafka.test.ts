import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { startNativeKafka } from '../../../src/dev/services/native-kafka';
import type { NativeService } from '../../../src/dev/services/service';
import { brokerAnswers } from '../../../src/kafka/checks/ping-broker';
import { isAlive } from '../../kit/is-alive';
import { testBrokers } from '../../kit/services';

let kafka: NativeService;
beforeAll(async () => {
  kafka = await startNativeKafka(() => undefined);
});
afterAll(() => kafka.stop());

const clientOf = (brokers: string[]): Kafka => new Kafka({ brokers, logLevel: logLevel.NOTHING });

/** Sends one record; the broker's answer is the end offset after it. */
async function publish(topic: string, value: Buffer): Promise<void> {
  const producer = clientOf([kafka.address]).producer();
  await producer.connect();
  await producer.send({ topic, messages: [{ value }], acks: -1 });
  await producer.disconnect();
}

async function withAdmin<T>(
  brokers: string[],
  use: (admin: ReturnType<Kafka['admin']>) => Promise<T>,
): Promise<T> {
  const admin = clientOf(brokers).admin();
  await admin.connect();
  try {
    return await use(admin);
  } finally {
    await admin.disconnect();
  }
}

test('takes records of 2 MiB, keeps them over SIGKILL and over an orderly restart on the same port', async () => {
  const topic = 'kept';
  const brokers = [kafka.address];
  await withAdmin(brokers, (admin) =>
    admin.createTopics({
      topics: [{ topic, numPartitions: 1, configEntries: [{ name: 'max.message.bytes', value: '2200000' }] }],
    }),
  );
  await publish(topic, Buffer.alloc(2 * 1024 * 1024, 'x'));

  const { pid } = kafka;
  await kafka.kill('SIGKILL');
  expect(isAlive(pid)).toBe(false);
  expect(await brokerAnswers(brokers)).toBe(false);
  await kafka.restart();
  await publish(topic, Buffer.from('second'));
  await kafka.restart();
  await publish(topic, Buffer.from('third'));

  expect(kafka.address).toBe(brokers[0]);
  const [partition] = await withAdmin(brokers, (admin) => admin.fetchTopicOffsets(topic));
  expect(partition).toMatchObject({ low: '0', high: '3' });
});

test("runs beside the run's own, as another cluster; stop leaves neither process nor folder", async () => {
  const other = await startNativeKafka(() => undefined);
  const clusters = await Promise.all(
    [testBrokers(), [kafka.address], [other.address]].map((brokers) =>
      withAdmin(brokers, async (admin) => (await admin.describeCluster()).clusterId),
    ),
  );
  expect(new Set(clusters).size).toBe(3);

  await other.stop();
  expect(isAlive(other.pid)).toBe(false);
  expect(existsSync(dirname(other.dataDir))).toBe(false);
});
