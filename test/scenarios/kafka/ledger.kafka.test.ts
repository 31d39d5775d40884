import type { KafkaClient } from '../../../src/kafka/client';
import { appendLedger } from '../../../src/kafka/ledger/ledger';
import { readTopic } from '../../kit/kafka/read-topic';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import { readRange } from '../../../src/kafka/read-range';
import { logRanges, stableEnds } from '../../../src/kafka/topics/topics';
import { eventually } from '../../kit/eventually';
import { uniquePrefix } from '../../kit/services';
import { createTopic, openTestKafka } from '../../kit/kafka/kafka-harness';

let client: KafkaClient;
let publisher: Publisher;
beforeAll(async () => {
  client = openTestKafka();
  publisher = await createPublisher(client);
});
afterAll(async () => {
  await publisher.close();
  await client.close();
});

async function newTopic(config: Record<string, string> = {}, numPartitions = 1): Promise<string> {
  const topic = `${uniquePrefix()}.billing.invoices`;
  const configEntries = Object.entries({ 'cleanup.policy': 'compact', ...config }).map(([name, value]) => ({
    name,
    value,
  }));
  await createTopic(client, { topic, numPartitions, configEntries });
  return topic;
}

async function read(topic: string): Promise<[string, string | null][]> {
  const records: [string, string | null][] = [];
  await readTopic(client, topic, (key, value) => void records.push([key, value]));
  return records;
}

it('reads nothing of an empty topic, and at once', async () => {
  expect(await read(await newTopic({}, 3))).toEqual([]);
});

it('reads everything in order, and withdrawn keys as null', async () => {
  const topic = await newTopic();
  const records = Array.from({ length: 3_000 }, (_, i) => ({ key: `k${i % 10}`, value: `v${i}` }));
  await appendLedger(publisher, topic, records);
  await appendLedger(publisher, topic, [{ key: 'k1', value: null }]);
  const found = await read(topic);
  expect(found).toHaveLength(3_001);
  expect(found.slice(0, 3_000)).toEqual(records.map(({ key, value }) => [key, value]));
  expect(found.at(-1)).toEqual(['k1', null]);
});

it('waits for the end of a transaction: its writer may know already that it succeeded', async () => {
  const topic = await newTopic();
  const producer = client.kafkajs.producer({
    ...{ transactionalId: `${topic}.writer`, idempotent: true, maxInFlightRequests: 1 },
  });
  await producer.connect();
  const transaction = await producer.transaction();
  await transaction.send({ topic, acks: -1, messages: [{ key: 'a', value: 'of a' }] });
  const reading = read(topic);
  // The reader has asked for the end long before these are answered.
  for (let asked = 0; asked < 10; asked += 1) await stableEnds(client, [topic]);
  await transaction.commit();
  await producer.disconnect();
  expect(await reading).toEqual([['a', 'of a']]);
});

it('reads all partitions', async () => {
  const topic = await newTopic({}, 4);
  await appendLedger(
    publisher,
    topic,
    Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: `v${i}` })),
  );
  expect(new Set((await read(topic)).map(([key]) => key)).size).toBe(100);
});

it('reads a record of some mebibytes', async () => {
  const topic = await newTopic({ 'max.message.bytes': '8388608' });
  const large = Buffer.alloc(6_000_000, 'x').toString();
  await appendLedger(publisher, topic, [
    { key: 'a', value: large },
    { key: 'b', value: 'small' },
  ]);
  expect(await read(topic)).toEqual([
    ['a', large],
    ['b', 'small'],
  ]);
});

it('reads what compaction has left, however full of holes', async () => {
  // Segments as small as can be, cleaned at once; the last one, still written to, is never cleaned.
  const topic = await newTopic({
    'segment.bytes': '1048576',
    'segment.ms': '100',
    'min.cleanable.dirty.ratio': '0.001',
    'max.compaction.lag.ms': '100',
    'delete.retention.ms': '100',
  });
  for (let round = 0; round < 6; round += 1) {
    const records = Array.from({ length: 200 }, (_, i) => ({
      key: `k${i % 20}`,
      value: `round ${round}, ${i}`,
    }));
    await appendLedger(publisher, topic, records);
    // A segment is closed by the first record after its time.
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  const { start, end } = (await logRanges(client, [topic])).get(topic)![0]!;
  expect(end - start).toBe(1_200);
  await eventually(async () => (await read(topic)).length < 600, { timeoutMs: 60_000, what: 'compaction' });
  const last = new Map(await read(topic));
  expect(last).toEqual(new Map(Array.from({ length: 20 }, (_, i) => [`k${i}`, `round 5, ${180 + i}`])));
});

it('leaves no consumer group behind', async () => {
  const topic = await newTopic();
  await appendLedger(publisher, topic, [{ key: 'a', value: '1' }]);
  await read(topic);
  const { groups } = await (await client.admin()).listGroups();
  expect(groups.filter(({ groupId }) => groupId.includes(topic))).toEqual([]);
});

describe('a range', () => {
  it('is read from and up to the offsets that were asked for', async () => {
    const topic = await newTopic({ 'cleanup.policy': 'delete' });
    const records = Array.from({ length: 50 }, (_, i) => ({
      key: i % 2 === 0 ? 'even' : null,
      value: `v${i}`,
      timestampMs: 1_790_000_000_000 + i,
      headers: { h: `${i}` },
    }));
    await publisher.publish(topic, records);
    const found = [];
    for await (const batch of readRange(client, { topic, partition: 0, from: 10, to: 20 }))
      found.push(...batch);
    expect(found.map(({ offset }) => offset)).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
    const { offset, timestampMs, key, value, headers } = found[0]!;
    expect({ offset, timestampMs, key, value, headers }).toEqual({
      offset: 10,
      timestampMs: 1_790_000_000_010,
      key: Buffer.from('even'),
      value: Buffer.from('v10'),
      headers: { h: Buffer.from('10') },
    });
  });

  it('that was deleted is an error, not an empty answer', async () => {
    const topic = await newTopic({ 'cleanup.policy': 'delete' });
    await publisher.publish(
      topic,
      [1, 2, 3].map((i) => ({ key: null, value: `${i}` })),
    );
    const admin = await client.admin();
    await admin.fetchTopicOffsets(topic);
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '2' }] });
    const reading = readRange(client, { topic, partition: 0, from: 0, to: 3 }).next();
    await expect(reading).rejects.toMatchObject({
      code: 'EVENTS_GONE',
      fields: { topic, partition: 0, offset: 0 },
    });
  });

  it('of a partition that does not exist is an error', async () => {
    const topic = await newTopic();
    const reading = readRange(client, { topic, partition: 7, from: 0, to: 3 }).next();
    await expect(reading).rejects.toMatchObject({ code: 'NO_PARTITION' });
  });
});
