import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createLogger } from '../../../src/lib/logger';
import { openKafka, type KafkaClient } from '../../../src/kafka/client';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import { readRange } from '../../../src/kafka/read-range';
import { createTopics, logEnds, topicName } from '../../../src/kafka/topics/topics';
import { readConfig } from '../../../src/lib/config';
import { createTransferMeter, type TransferMeter } from '../../../src/livekit/transfer/transfer-meter';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { openStore, type Store } from '../../../src/redis/store';
import { testBrokers, testRedisUrl, uniquePrefix } from '../../kit/services';

/** A node of LiveKit that serves its counters, as a real one prints them. */
const node = { id: 'ND_1', outgoing: 0, incoming: 0, isDown: false };
let nowMs = 0;
let server: Server;
let kafka: KafkaClient;
let publisher: Publisher;
let store: Store;
let prefix: string;

beforeAll(async () => {
  prefix = uniquePrefix();
  server = createServer((request, response) => {
    const isKnown = request.headers.authorization === `Basic ${Buffer.from('ops:secret').toString('base64')}`;
    response.statusCode = node.isDown ? 503 : isKnown ? 200 : 401;
    const line = (direction: string, bytes: number): string =>
      `livekit_packet_bytes{direction="${direction}",node_id="${node.id}",transmission="initial"} ${bytes.toExponential()}\n`;
    response.end(
      response.statusCode === 200 ? line('outgoing', node.outgoing) + line('incoming', node.incoming) : '',
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const config = readConfig({ KAFKA_BROKERS: testBrokers().join(',') });
  kafka = openKafka(config.kafka);
  await createTopics(kafka, prefix, { partitions: 1, replication: 1, retentionDays: 1 });
  publisher = await createPublisher(kafka);
  store = await openStore({ url: testRedisUrl(), prefix });
});

afterAll(async () => {
  await store.close();
  await publisher.close();
  await kafka.close();
  await new Promise((resolve) => server.close(resolve));
});

/** What was reported of the last reading. */
let problem: string | undefined;

function meter(own: Partial<Publisher> = {}): TransferMeter {
  const { port } = server.address() as AddressInfo;
  return createTransferMeter({
    urls: [`http://ops:secret@127.0.0.1:${port}/metrics`],
    ...{ project: 'acme', source: '/livekit', prefix, store, logger: createLogger('silent') },
    publisher: {
      publish: (topic, records) => publisher.publish(topic, records),
      close: () => Promise.resolve(),
      ...own,
    },
    calendar: createBillingCalendar('UTC'),
    onReading: (_, reported) => (problem = reported),
    nowMs: () => nowMs,
  });
}

const clock = (text: string): void => void (nowMs = Date.parse(text));

/** Each event by its id; the first counts. @returns also how many records there are */
async function published(): Promise<{
  bytes: Record<string, string>;
  records: number;
  times: Record<string, string>;
}> {
  const topic = topicName(prefix, 'usage.transfer');
  const bytes: Record<string, string> = {};
  const times: Record<string, string> = {};
  let records = 0;
  const [end] = (await logEnds(kafka, [topic])).get(topic)!;
  for await (const page of readRange(kafka, { topic, partition: 0, from: 0, to: end! })) {
    for (const { value } of page) {
      const event = JSON.parse(String(value)) as { id: string; time: string; data: { bytes: string } };
      records += 1;
      // What is published again must be the same.
      expect(bytes[event.id] ?? event.data.bytes).toBe(event.data.bytes);
      bytes[event.id] = event.data.bytes;
      times[event.id] = event.time;
    }
  }
  return { bytes, records, times };
}

test('restarts of the node, missed readings, a kill after publishing, and two at once: each byte counts once', async () => {
  node.outgoing = 70_000_000;
  clock('2026-10-01T10:00:00Z');
  const [first, second] = [meter(), meter()];
  await first.read(); // Since when those 70 MB are there is not known.
  node.outgoing += 5_000_000;
  node.incoming += 1_000;
  clock('2026-10-01T11:00:00Z');
  await Promise.all([first.read(), second.read()]);
  node.outgoing += 1_000_000;
  node.isDown = true;
  clock('2026-10-01T12:00:00Z');
  await first.read();
  expect(problem).toBe('the node answered 503');
  node.isDown = false;
  clock('2026-10-01T13:00:00Z');
  await second.read();
  expect(problem).toBeUndefined();
  // Begins again, as a new node.
  Object.assign(node, { id: 'ND_2', outgoing: 80_000_000, incoming: 0 });
  clock('2026-10-01T14:00:00Z');
  await Promise.all([first.read(), second.read()]);
  expect(await published()).toMatchObject({ records: 0 });

  // Killed when Kafka has the day and Redis does not know: published, and never answered.
  const killed = meter({
    publish: async (topic, records) => {
      await publisher.publish(topic, records);
      throw new Error('killed');
    },
  });
  node.outgoing += 3_000_000;
  clock('2026-10-02T00:00:30Z');
  await expect(killed.read()).rejects.toThrow('killed');
  node.outgoing += 4_000_000;
  clock('2026-10-02T00:01:30Z');
  await Promise.all([meter().read(), meter().read()]);
  const day = {
    'ND_1/2026-10-01/downstream': '6000000',
    'ND_1/2026-10-01/upstream': '1000',
    'ND_2/2026-10-01/downstream': '80000000',
  };
  const found = await published();
  expect(found.bytes).toEqual(day);
  expect(found.records).toBeGreaterThan(3);
  expect(new Set(Object.values(found.times))).toEqual(new Set(['2026-10-01T14:00:00.000Z']));

  // A day on which nothing was read falls to the next reading; another address no longer read ends
  // its day too.
  clock('2026-10-04T00:00:00Z');
  await meter().read();
  expect((await published()).bytes).toEqual({ ...day, 'ND_2/2026-10-02/downstream': '7000000' });
  expect(await published()).toEqual(await published());
});
