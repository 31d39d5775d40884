import { createTopics } from '../../../../src/kafka/topics/topics';
import { eventually } from '../../../kit/eventually';
import { countTo, fatalOf, MemoryTotals, testTopic, type TestTopic } from '../../../kit/kafka/kafka-harness';

/**
 * tulios/kafkajs#1119, #580: where the log no longer holds the offset that is fetched, kafkajs goes
 * to the log's start and says nothing. Usage would be skipped in silence.
 */

let usage: TestTopic;
beforeEach(async () => (usage = await testTopic(1)));
afterEach(() => usage.close());

async function deleteBefore(offset: number): Promise<void> {
  const admin = await usage.client.admin();
  const partitions = [{ partition: 0, offset: String(offset) }];
  // kafkajs finds the leader only of a topic that it was asked about before.
  await admin.fetchTopicOffsets(usage.topic);
  await admin.deleteTopicRecords({ topic: usage.topic, partitions });
}

async function makeAnew(): Promise<void> {
  const admin = await usage.client.admin();
  await admin.deleteTopics({ topics: [usage.topic] });
  const settings = { partitions: 1, replication: 1, retentionDays: 1 };
  await eventually(async () =>
    (await createTopics(usage.client, usage.prefix, settings)).includes(usage.topic),
  );
}

it('events that were deleted before they were counted stop the consumer', async () => {
  const totals = new MemoryTotals(1);
  await usage.fill(0, 100);
  await deleteBefore(60);
  const runner = usage.runner(totals);
  await runner.start();
  expect(await fatalOf(runner)).toMatchObject({
    code: 'EVENTS_GONE',
    fields: { topic: usage.topic, partition: 0, cursor: 0, start: 60 },
  });
  expect(totals.offsets(0)).toEqual([]);
});

it('also where nothing is left to fetch', async () => {
  const totals = new MemoryTotals(1);
  await usage.fill(0, 100);
  await deleteBefore(100);
  const runner = usage.runner(totals);
  await runner.start();
  expect(await fatalOf(runner)).toMatchObject({ code: 'EVENTS_GONE' });
});

it('also under a consumer that was sent back', async () => {
  const totals = new MemoryTotals(1);
  await usage.fill(0, 100);
  const runner = usage.runner(totals);
  await runner.start();
  await eventually(() => totals.cursors.get(0) === 100);
  await deleteBefore(60);
  totals.goBack(0, 30);
  await usage.fill(0, 10);
  expect(await fatalOf(runner)).toMatchObject({ code: 'EVENTS_GONE' });
  expect(totals.offsets(0)).toEqual(countTo(30));
});

it('deleted events that were counted are no loss', async () => {
  const totals = new MemoryTotals(1);
  await usage.fill(0, 100);
  const runner = usage.runner(totals);
  await runner.start();
  await eventually(() => totals.cursors.get(0) === 100);
  await deleteBefore(100);
  await usage.fill(0, 20);
  await eventually(() => totals.cursors.get(0) === 120);
  expect(totals.offsets(0)).toEqual(countTo(120));
  expect(runner.fatal).toEqual([]);
});

it('a topic that was recreated stops the consumer, with or without events in it', async () => {
  const totals = new MemoryTotals(1);
  await usage.fill(0, 100);
  const before = usage.runner(totals);
  await before.start();
  await eventually(() => totals.cursors.get(0) === 100);
  await before.stop();
  await makeAnew();

  const empty = usage.runner(totals);
  await empty.start();
  expect(await fatalOf(empty)).toMatchObject({ code: 'CURSOR_PAST_LOG_END' });
  await empty.stop();

  await usage.fill(0, 50);
  const filled = usage.runner(totals);
  await filled.start();
  expect(await fatalOf(filled)).toMatchObject({
    code: 'CURSOR_PAST_LOG_END',
    fields: { cursor: 100, end: 50 },
  });
  expect(totals.offsets(0)).toEqual(countTo(100));
});
