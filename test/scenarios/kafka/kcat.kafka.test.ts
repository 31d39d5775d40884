import type { RawMessage } from '../../../consumers/decode/decode-event';
import { readRange } from '../../../src/kafka/read-range';
import { logRanges } from '../../../src/kafka/topics/topics';
import { eventually } from '../../kit/eventually';
import { kcat, needKcat } from '../../kit/tallyman';
import { MemoryTotals, rateAnything, testTopic, type TestTopic } from '../../kit/kafka/kafka-harness';

/** kcat is built on librdkafka, as the producers of most languages are. */

beforeAll(needKcat);

let usage: TestTopic;
beforeEach(async () => (usage = await testTopic(1)));
afterEach(() => usage.close());

const lines = Array.from({ length: 2_000 }, (_, i) =>
  JSON.stringify({ specversion: '1.0', id: `event-${i}`, source: '/kcat', data: { durationMs: i } }),
);

it.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])(
  'what kcat sends with -z %s arrives as it was',
  async (codec) => {
    const input = lines.map((line, i) => `project-${i % 7}\t${line}`).join('\n');
    const more = ['-K', '\t', '-H', 'trace=ünïcode', '-H', 'empty=', '-z', codec];
    // A batch that the topic's new leader refuses at first is sent again: behind others, unless it
    // is the only one.
    more.push('-X', 'max.in.flight.requests.per.connection=1');
    kcat(['-t', usage.topic, ...more], `${input}\n`);

    const received: RawMessage[] = [];
    const totals = new MemoryTotals(1);
    const runner = usage.runner(totals, {
      rate(message) {
        received.push(message);
        return rateAnything(message);
      },
    });
    await runner.start();
    await eventually(() => totals.cursors.get(0) === lines.length);
    expect(received.map(({ value }) => String(value))).toEqual(lines);
    expect(received[0]?.headers).toEqual({ trace: Buffer.from('ünïcode'), empty: Buffer.from('') });
    expect(Math.abs((received[0]?.timestampMs ?? 0) - Date.now())).toBeLessThan(60_000);
    expect(runner.fatal).toEqual([]);
  },
);

it('a key goes to the same partition as with Java and librdkafka (murmur2)', async () => {
  const wide = await testTopic(6);
  try {
    const keys = Array.from({ length: 60 }, (_, i) => `project-${i}`);
    await wide.publisher.publish(
      wide.topic,
      keys.map((key) => ({ key, value: 'tallyman' })),
    );
    const input = keys.map((key) => `${key}\tkcat\n`).join('');
    const options = ['-K', '\t', '-X', 'topic.partitioner=murmur2_random'];
    kcat(['-t', wide.topic, ...options], input);

    const partitionsOf = new Map<string, Set<number>>();
    const ranges = (await logRanges(wide.client, [wide.topic])).get(wide.topic) ?? [];
    for (const [partition, { start, end }] of ranges.entries()) {
      const range = { topic: wide.topic, partition, from: start, to: end };
      for await (const records of readRange(wide.client, range)) {
        for (const { key } of records) {
          const partitions = partitionsOf.get(String(key)) ?? new Set();
          partitionsOf.set(String(key), partitions.add(partition));
        }
      }
    }
    expect([...partitionsOf.keys()].sort()).toEqual([...keys].sort());
    expect([...partitionsOf.values()].filter(({ size }) => size > 1)).toEqual([]);
    expect(new Set([...partitionsOf.values()].flatMap((one) => [...one])).size).toBe(6);
  } finally {
    await wide.close();
  }
});
