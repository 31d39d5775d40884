import { eventually } from '../../../kit/eventually';
import { countTo, MemoryTotals, testTopic, type TestTopic } from '../../../kit/kafka/kafka-harness';

/**
 * kafkajs begins an assignment at the committed offset, and a seek that is asked for after
 * something was awaited comes too late for the first batch. So the first batch is compared with the
 * cursor, whatever it is.
 */

let usage: TestTopic;
beforeEach(async () => {
  usage = await testTopic(1);
  await usage.fill(0, 100);
});
afterEach(() => usage.close());

async function commit(offset: number): Promise<void> {
  const { topic, groupId } = usage;
  const admin = await usage.client.admin();
  const partitions = [{ partition: 0, offset: String(offset) }];
  await admin.setOffsets({ groupId, topic, partitions });
}

it.each([
  ['behind the cursor', 20, 60],
  ['ahead of the cursor', 90, 60],
  ['past the end', 500, 60],
])('a committed offset %s is not trusted', async (_, committed, cursor) => {
  await commit(committed);
  const totals = new MemoryTotals(1, cursor);
  const runner = usage.runner(totals);
  await runner.start();
  await usage.fill(0, 1);
  await eventually(() => totals.cursors.get(0) === 101);
  expect(totals.offsets(0)).toEqual(countTo(101, cursor));
  expect(runner.fatal).toEqual([]);
});

it('none committed: begins at the cursor', async () => {
  const totals = new MemoryTotals(1, 99);
  await usage.runner(totals).start();
  await eventually(() => totals.cursors.get(0) === 100);
  expect(totals.offsets(0)).toEqual([99]);
});
