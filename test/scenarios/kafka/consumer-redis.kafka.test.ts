import { consumerNamed } from '../../../consumers';
import { rateMessage } from '../../../consumers/decode/rate-message';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { roundingTable } from '../../../src/rating/rounding';
import { createDeadLetters } from '../../../src/dead-letters/dead-letter';
import { readTopic } from '../../kit/kafka/read-topic';
import type { ApplyTarget } from '../../../src/ingest/consumer';
import { logEnds, topicName } from '../../../src/kafka/topics/topics';
import { apply } from '../../../src/redis/apply/apply-chunk';
import { initCursor, readCursor, readEpoch } from '../../../src/redis/cursors';
import { readTotals, writeShardCount } from '../../../src/redis/usage/read-usage';
import { openStore, type Store } from '../../../src/redis/store';
import { eventually } from '../../kit/eventually';
import { testRedisUrl } from '../../kit/services';
import { testTopic, type TestTopic } from '../../kit/kafka/kafka-harness';

const PARTITIONS = 3;
const EVENTS = 6_000;
const PROJECTS = 7;
const now = new Date();
const month = now.toISOString().slice(0, 7);

let usage: TestTopic;
let store: Store;
beforeEach(async () => {
  usage = await testTopic(PARTITIONS);
  store = await openStore({ url: testRedisUrl(), prefix: usage.prefix });
  await writeShardCount(store, PARTITIONS);
  for (let shard = 0; shard < PARTITIONS; shard += 1) await initCursor(store, shard, usage.topic, 0);
});
afterEach(async () => {
  await usage.close();
  await store.close();
});

it('counts into Redis what is in Kafka, once, through repeats, bad events and changes of members', async () => {
  const session = consumerNamed('session');
  const context = {
    rounding: roundingTable('per-minute'),
    calendar: createBillingCalendar('UTC'),
    limits: { futureMs: 3_600_000, pastMs: 400 * 86_400_000, durationMs: 31 * 86_400_000 },
  };
  const totals: ApplyTarget = {
    apply: (shard, chunk) => apply(store, shard, chunk),
    readCursor: (shard, topic) => readCursor(store, shard, topic),
    readEpoch: (shard, topic, cursor) => readEpoch(store, shard, topic, cursor),
    assign: (topic, shards) => store.dedupIndex.keepOnly(topic, shards),
    restore: () => Promise.resolve(),
  };
  const parts = {
    totals,
    rate: (message: Parameters<typeof rateMessage>[1]) => rateMessage(session, message, context),
    deadLetters: createDeadLetters(usage.publisher, usage.prefix),
  };

  const expected = new Map<string, number>();
  const publish = async (from: number, to: number): Promise<void> => {
    const records = [];
    for (let i = from; i < to; i += 1) {
      const project = `project-${i % PROJECTS}`;
      const seconds = (i * 37) % 500;
      const event = {
        ...{
          specversion: '1.0',
          id: `event-${i}`,
          source: '/test',
          type: 'usage.session.v1',
          subject: project,
        },
        ...{ time: now.toISOString(), data: { service: 'webrtc', durationMs: seconds * 1_000 } },
      };
      const record = {
        key: project,
        value: JSON.stringify(event),
      };
      records.push(record);
      if (i % 10 === 0) records.push(record);
      if (i % 50 === 0) records.push({ ...record, value: '{"specversion":' });
      // The rule of the seed, written down once more: every usage up to whole minutes, on its own.
      expected.set(project, (expected.get(project) ?? 0) + Math.ceil(seconds / 60) * 60);
    }
    await usage.publisher.publish(usage.topic, records);
  };

  await publish(0, EVENTS / 3);
  const first = usage.runner(totals, parts);
  await first.start();
  await publish(EVENTS / 3, (EVENTS / 3) * 2);
  const second = usage.runner(totals, parts);
  await second.start();
  await publish((EVENTS / 3) * 2, EVENTS);
  await first.stop();

  const ends = (await logEnds(usage.client, [usage.topic])).get(usage.topic)!;
  for (const [shard, end] of ends.entries()) {
    await eventually(async () => (await readCursor(store, shard, usage.topic)) === end, {
      timeoutMs: 60_000,
    });
  }
  for (const [project, seconds] of expected) {
    const found = await readTotals(store, project, month);
    expect(Object.fromEntries(found)).toEqual({ 'session.webrtc': BigInt(seconds) });
  }
  const letters = new Set<string>();
  await readTopic(
    usage.client,
    topicName(usage.prefix, 'usage.dead-letters'),
    (key) => void letters.add(key),
  );
  expect(letters.size).toBe(EVENTS / 50);
  const counts = [first.status(), second.status()];
  expect(counts.reduce((sum, { counted }) => sum + counted, 0)).toBe(EVENTS);
  expect(counts.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(EVENTS / 10);
  expect([...first.fatal, ...second.fatal]).toEqual([]);
});
