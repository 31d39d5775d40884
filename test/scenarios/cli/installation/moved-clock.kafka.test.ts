import { join } from 'node:path';
import { Partitioners, type Producer } from 'kafkajs';
import type { KafkaClient } from '../../../../src/kafka/client';
import { topicName } from '../../../../src/kafka/topics/topics';
import { openStore, type Store } from '../../../../src/redis/store';
import { eventually } from '../../../kit/eventually';
import { startProbed, type Probed } from '../../../kit/probed';
import { testRedisUrl } from '../../../kit/services';
import { installation, type Installation } from '../../../kit/tallyman';
import { openTestKafka } from '../../../kit/kafka/kafka-harness';

/**
 * Somebody sets the clock of a machine while its consumer runs. Nothing that it does in intervals
 * may stop.
 */

const CLOCK = join(__dirname, '../../../kit/movable-clock.js');
const HOUR_MS = 3_600_000;
const SESSION_TIMEOUT_MS = 10_000;

const now = new Date();
const lastMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1))
  .toISOString()
  .slice(0, 7);

/** `MAX_AGE_MS` of src/ingest/guards/watch-closes.ts. */
const KNOWN_FOR_MS = 1_000;

let client: KafkaClient;
let producer: Producer;
let tallyman: Installation;
let store: Store;
let consumer: Probed;
beforeAll(async () => {
  client = openTestKafka();
  producer = client.kafkajs.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
});
afterAll(async () => {
  await producer.disconnect();
  await client.close();
});
beforeEach(async () => {
  tallyman = installation({ TALLYMAN_STUCK_AFTER: '3s' });
  await tallyman.ok('init', '--partitions', '1');
  store = await openStore({ url: testRedisUrl(), prefix: tallyman.prefix });
});
afterEach(async () => {
  await consumer.kill();
  await store.close();
});

async function consumeAndMove(stepMs: number): Promise<void> {
  const env = { NODE_OPTIONS: `--require ${CLOCK}`, CLOCK_STEP_MS: String(stepMs) };
  consumer = await startProbed(tallyman, ['consume'], env);
  await consumer.becomes(200);
  await publish(now.toISOString());
  await counted('60');
  consumer.child.kill('SIGUSR2');
}

let ids = 0;
async function publish(time: string): Promise<void> {
  ids += 1;
  const value = JSON.stringify({
    ...{ specversion: '1.0', id: `e${ids}`, source: '/sfu', type: 'usage.session.v1', subject: 'acme' },
    ...{ time, data: { service: 'webrtc', durationMs: 1_000 } },
  });
  await producer.send({
    topic: topicName(tallyman.prefix, 'usage.session'),
    messages: [{ key: 'acme', value }],
  });
}

const totals = (month = now.toISOString().slice(0, 7)): Promise<Record<string, string>> =>
  store.redis.hgetall(store.keys.totals(0, month, 'acme'));

const counted = (seconds: string, meter = 'session.webrtc'): Promise<unknown> =>
  eventually(async () => (await totals())[meter] === seconds, { timeoutMs: 30_000, what: meter });

describe.each([
  ['an hour back', -HOUR_MS],
  ['forty days ahead', 40 * 24 * HOUR_MS],
])('%s', (_, stepMs) => {
  test('usage is counted, the member stays in its group, and what stands is told', async () => {
    await consumeAndMove(stepMs);
    const groupId = topicName(tallyman.prefix, 'tallyman.session');
    const admin = await client.admin();
    const memberId = async (): Promise<string | undefined> =>
      (await admin.describeGroups([groupId])).groups[0]?.members[0]?.memberId;
    const member = await memberId();
    expect(member).toBeDefined();
    await publish(now.toISOString());
    await counted('120');

    const movedAt = performance.now();
    await eventually(() => performance.now() - movedAt > 1.5 * SESSION_TIMEOUT_MS, { timeoutMs: 30_000 });
    expect(await memberId()).toBe(member);
    await consumer.becomes(200);

    // A cursor that is gone is seen by the review, with nothing to fetch.
    await store.redis.del(store.keys.shard(0).cursor);
    expect(await consumer.ended).toBe(1);
    expect(consumer.log()).toContain('UNINITIALISED');
  }, 120_000);

  test('a close is learned of, and a freeze that Redis loses is restored before late usage is counted', async () => {
    await consumeAndMove(stepMs);
    await publish(`${lastMonth}-14T09:00:00Z`);
    await eventually(async () => (await totals(lastMonth))['session.webrtc'] === '60');
    await tallyman.ok('close', lastMonth, '--grace', '0s');
    // What a consumer knows of closes may be a second old.
    const closedAt = performance.now();
    await eventually(() => performance.now() - closedAt > 2 * KNOWN_FOR_MS);
    await store.redis.del(store.keys.shard(0).closed);
    await publish(`${lastMonth}-14T09:00:00Z`);
    await counted('60', `${lastMonth}@session.webrtc`);
    expect(await totals(lastMonth)).toEqual({ 'session.webrtc': '60' });
  }, 120_000);
});
