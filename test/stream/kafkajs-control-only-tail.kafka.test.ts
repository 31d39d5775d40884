import { Partitioners, type Producer } from 'kafkajs';
import { firstRecordBetween } from '../../src/stream/read-range';
import { logEnds } from '../../src/stream/topics';
import { eventually } from '../support/eventually';
import { MemoryTotals, testTopic, type TestTopic } from './kafka-harness';

/**
 * A batch that holds only transaction markers or aborted records never reaches kafkajs's `eachBatch`. The cursor would
 * stay before it: whoever waits for the log's end would wait for ever, and the next event would look like a gap.
 */

let usage: TestTopic;
let producer: Producer;
beforeEach(async () => {
  usage = await testTopic(1);
  producer = usage.client.kafkajs.producer({
    transactionalId: usage.prefix,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await producer.connect();
});
afterEach(async () => {
  await producer.disconnect();
  await usage.close();
});

async function transaction(values: readonly string[], end: 'commit' | 'abort'): Promise<void> {
  const { topic } = usage;
  const open = await producer.transaction();
  await open.send({ topic, messages: values.map((value) => ({ key: null, value, partition: 0 })) });
  await open[end]();
}

const logEnd = async (): Promise<number | undefined> =>
  (await logEnds(usage.client, [usage.topic])).get(usage.topic)?.[0];

it('the cursor reaches the end of a log that ends with a marker', async () => {
  const totals = new MemoryTotals(1);
  await transaction(['a', 'b'], 'commit');
  await usage.runner(totals).start();
  await eventually(() => totals.cursors.get(0) === 3);
  expect(await logEnd()).toBe(3);
  expect(totals.offsets(0)).toEqual([0, 1]);
});

it('the cursor reaches the end of a log that ends with aborted records, and counts none of them', async () => {
  const totals = new MemoryTotals(1);
  await usage.fill(0, 2);
  await transaction(['a', 'b', 'c'], 'abort');
  await usage.runner(totals).start();
  await eventually(() => totals.cursors.get(0) === 6);
  expect(await logEnd()).toBe(6);
  expect(totals.offsets(0)).toEqual([0, 1]);
});

it('holes between events are no gaps', async () => {
  const totals = new MemoryTotals(1);
  const runner = usage.runner(totals);
  await runner.start();
  for (let round = 0; round < 5; round += 1) {
    await transaction(['x'], 'abort');
    await transaction(['y'], 'commit');
    await usage.fill(0, 1);
  }
  await eventually(() => totals.offsets(0).length === 10);
  await eventually(() => totals.cursors.get(0) === 25);
  expect(totals.offsets(0)).toEqual([2, 4, 7, 9, 12, 14, 17, 19, 22, 24]);
  expect(totals.restores).toBe(0);
  expect(runner.fatal).toEqual([]);
});

it('a look into the log sees no aborted record, and no marker', async () => {
  await transaction(['x', 'y'], 'abort');
  await transaction(['z'], 'commit');
  const { client, topic } = usage;
  expect(await firstRecordBetween(client, { topic, partition: 0, from: 0, to: 3 })).toBeUndefined();
  expect(await firstRecordBetween(client, { topic, partition: 0, from: 0, to: 4 })).toBe(3);
  expect(await firstRecordBetween(client, { topic, partition: 0, from: 4, to: 5 })).toBeUndefined();
});
