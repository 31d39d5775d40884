import { Partitioners, type Producer, type Transaction } from 'kafkajs';
import { firstRecordBetween, readRange } from '../../../../src/kafka/read-range';
import { logEnds } from '../../../../src/kafka/topics/topics';
import { eventually } from '../../../kit/eventually';
import { MemoryTotals, testTopic, type TestTopic } from '../../../kit/kafka/kafka-harness';

/**
 * A batch that holds only transaction markers or aborted records never reaches kafkajs's
 * `eachBatch`. The cursor would stay before it: whoever waits for the log's end would wait for
 * ever, and the next event would look like a gap.
 */

let usage: TestTopic;
let producer: Producer;
let other: Producer;
beforeEach(async () => {
  usage = await testTopic(1);
  producer = await transactional('one');
  other = await transactional('other');
});
afterEach(async () => {
  await Promise.all([producer.disconnect(), other.disconnect()]);
  await usage.close();
});

async function transactional(name: string): Promise<Producer> {
  const made = usage.client.kafkajs.producer({
    transactionalId: `${usage.prefix}.${name}`,
    maxInFlightRequests: 1,
    idempotent: true,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await made.connect();
  return made;
}

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
  const visible: number[] = [];
  const range = { topic: usage.topic, partition: 0, from: 0, to: 25 };
  for await (const records of readRange(usage.client, range))
    visible.push(...records.map(({ offset }) => offset));
  expect(totals.offsets(0)).toEqual(visible);
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

it('counts no aborted record when the cursor stands inside two aborted transactions', async () => {
  const { topic } = usage;
  const send = (open: Transaction): Promise<unknown> =>
    open.send({ topic, messages: [{ key: null, value: 'aborted', partition: 0 }] });
  const first = await producer.transaction();
  const second = await other.transaction();
  // kafkajs strikes one transaction off its list a record, the earliest first: the record at the
  // cursor is the second's.
  for (const open of [first, second, first, second, second, first]) await send(open);
  await first.abort();
  await second.abort();
  await usage.fill(0, 1);
  const totals = new MemoryTotals(1, 3);
  await usage.runner(totals).start();
  await eventually(() => totals.cursors.get(0) === 9);
  // Behind the six; where among the two markers is for the broker to say.
  expect(totals.offsets(0)).toHaveLength(1);
  expect(totals.offsets(0)[0]).toBeGreaterThan(5);
});
