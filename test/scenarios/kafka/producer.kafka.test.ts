import { readRange, type LogRecord } from '../../../src/kafka/read-range';
import { logRanges } from '../../../src/kafka/topics/topics';
import { testTopic, type TestTopic } from '../../kit/kafka/kafka-harness';

let usage: TestTopic;
beforeEach(async () => (usage = await testTopic(3)));
afterEach(() => usage.close());

async function readAll(): Promise<LogRecord[][]> {
  const { client, topic } = usage;
  const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
  return Promise.all(
    ranges.map(async ({ start, end }, partition) => {
      const found: LogRecord[] = [];
      for await (const records of readRange(client, { topic, partition, from: start, to: end }))
        found.push(...records);
      return found;
    }),
  );
}

it('publishes far more than one request takes, all of it and in order', async () => {
  // Six megabytes that hardly compress, for topics that take two at once.
  const records = Array.from({ length: 600 }, (_, i) => ({
    key: null,
    value: Buffer.concat([Buffer.from(`${i}:`), Buffer.from(noise(i, 10_000))]),
    partition: 1,
  }));
  await usage.publisher.publish(usage.topic, records);
  const [, found] = await readAll();
  expect(found?.map(({ value }) => Number(String(value).split(':')[0]))).toEqual(records.map((_, i) => i));
});

it('publishes a record of nearly two mebibytes, alone or beside others', async () => {
  const large = { key: null, value: Buffer.from(noise(7, 2_000_000)), partition: 0 };
  const small = { key: null, value: 'small', partition: 0 };
  await usage.publisher.publish(usage.topic, [small, large, small, large]);
  const [found] = await readAll();
  expect(found?.map(({ value }) => value?.length)).toEqual([5, 2_000_000, 5, 2_000_000]);
});

it('keeps keys, headers, timestamps and nulls', async () => {
  await usage.publisher.publish(usage.topic, [
    {
      key: 'k',
      value: null,
      partition: 2,
      timestampMs: 1_790_000_000_123,
      headers: { a: 'x', b: Buffer.from([255]) },
    },
    { key: Buffer.from([0, 255]), value: Buffer.alloc(0), partition: 2 },
  ]);
  const [, , found] = await readAll();
  expect(found).toMatchObject([
    {
      offset: 0,
      timestampMs: 1_790_000_000_123,
      key: Buffer.from('k'),
      value: null,
      headers: { a: Buffer.from('x'), b: Buffer.from([255]) },
    },
    { offset: 1, key: Buffer.from([0, 255]), value: Buffer.alloc(0), headers: {} },
  ]);
});

it('sends all records of a key to one partition', async () => {
  const keys = Array.from({ length: 300 }, (_, i) => `project-${i % 10}`);
  await usage.publisher.publish(
    usage.topic,
    keys.map((key) => ({ key, value: 'x' })),
  );
  const seen = (await readAll()).map((records) => new Set(records.map(({ key }) => String(key))));
  expect(seen.reduce((sum, { size }) => sum + size, 0)).toBe(10);
});

it('fails on a record that the topic does not take, and on a topic that is not there', async () => {
  const tooLarge = { key: null, value: Buffer.from(noise(1, 3_000_000)), partition: 0 };
  await expect(usage.publisher.publish(usage.topic, [tooLarge])).rejects.toMatchObject({
    type: 'MESSAGE_TOO_LARGE',
  });
  await expect(
    usage.publisher.publish(`${usage.prefix}.nowhere`, [{ key: null, value: 'x' }]),
  ).rejects.toThrow();
});

it('publishing nothing succeeds', async () => {
  await usage.publisher.publish(usage.topic, []);
  expect(await readAll()).toEqual([[], [], []]);
});

/** Text that no compression makes much of: the same for the same seed. */
function noise(seed: number, length: number): string {
  let state = seed + 1;
  let text = '';
  while (text.length < length) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    text += String.fromCharCode(33 + ((state >>> 16) % 90));
  }
  return text;
}
