import { Partitioners, type Producer, type Transaction } from 'kafkajs';
import { startNativeRedis } from '../../../../src/dev/services/native-redis';
import type { NativeService } from '../../../../src/dev/services/service';
import type { KafkaClient } from '../../../../src/kafka/client';
import { topicName } from '../../../../src/kafka/topics/topics';
import type { Health } from '../../../../src/ingest/health/check-health';
import { eventually } from '../../../kit/eventually';
import { startProbed, type Probed } from '../../../kit/probed';
import { installation, type Installation } from '../../../kit/tallyman';
import { openTestKafka } from '../../../kit/kafka/kafka-harness';

/**
 * Usage that waits while every consumer is content: readiness, metrics, doctor, catch-up and close
 * must all see it.
 */

const now = new Date();
const lastMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 1, 1))
  .toISOString()
  .slice(0, 7);
const STUCK = { TALLYMAN_STUCK_AFTER: '3s' };

let client: KafkaClient;
let producer: Producer;
const running: Probed[] = [];
beforeAll(() => (client = openTestKafka()));
afterAll(() => client.close());
beforeEach(async () => {
  producer = client.kafkajs.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.kill()));
  await producer.disconnect();
});

async function started(...given: Parameters<typeof startProbed>): Promise<Probed> {
  const one = await startProbed(...given);
  running.push(one);
  return one;
}

let ids = 0;
function session(partition = 0): { key: string; value: string; partition: number } {
  ids += 1;
  const value = JSON.stringify({
    ...{ specversion: '1.0', id: `e${ids}`, source: '/sfu', type: 'usage.session.v1', subject: 'acme' },
    ...{ time: now.toISOString(), data: { service: 'webrtc', durationMs: 1_000 } },
  });
  return { key: 'acme', value, partition };
}

const topicOf = (tallyman: Installation): string => topicName(tallyman.prefix, 'usage.session');
const says = (code: string) => (health: Health) => health.problems.some((problem) => problem.code === code);
const seconds = async (tallyman: Installation): Promise<string | undefined> =>
  (await tallyman.json<{ totals: Record<string, string> }>('totals', 'acme')).totals['session.webrtc'];

async function openTransaction(
  tallyman: Installation,
): Promise<{ open: Transaction; end: () => Promise<void> }> {
  const transactional = client.kafkajs.producer({
    transactionalId: `${tallyman.prefix}.open`,
    idempotent: true,
    maxInFlightRequests: 1,
    transactionTimeout: 600_000,
    createPartitioner: Partitioners.DefaultPartitioner,
  });
  await transactional.connect();
  const open = await transactional.transaction();
  await open.send({ topic: topicOf(tallyman), messages: [session()] });
  return { open, end: () => transactional.disconnect() };
}

test('usage behind an open transaction is seen everywhere, and all is well when it ends', async () => {
  const tallyman = installation(STUCK);
  await tallyman.ok('init', '--partitions', '1');
  const consumer = await started(tallyman, ['consume', 'session']);
  const server = await started(tallyman, ['serve']);
  await Promise.all([consumer.becomes(200), server.becomes(200)]);

  const { open, end } = await openTransaction(tallyman);
  try {
    await producer.send({ topic: topicOf(tallyman), messages: [session(), session()] });
    const subject = `${topicOf(tallyman)}/0`;
    for (const process of [consumer, server]) {
      const { problems } = await process.becomes(503, says('TRANSACTION_OPEN'));
      expect(problems).toMatchObject([{ code: 'TRANSACTION_OPEN', subject }]);
      expect(problems[0]?.detail).toContain('3 offsets wait');
      const metrics = await process.metrics();
      const labels = `{topic="${topicOf(tallyman)}",partition="0"}`;
      expect(metrics).toContain(`tallyman_lag_events${labels} 3`);
      expect(metrics).toContain(`tallyman_open_transaction_events${labels} 3`);
      expect(metrics).toContain(`tallyman_problem{code="TRANSACTION_OPEN",subject="${subject}"} 1`);
    }
    const doctor = await tallyman.run(['doctor', '--json']);
    const { findings } = JSON.parse(doctor.stdout) as { findings: { subject: string; problem: string }[] };
    expect(findings).toContainEqual(
      expect.objectContaining({
        subject,
        problem: expect.stringMatching(
          /^a transaction has been open since \d{4}-.* at offset 0 of/,
        ) as string,
        remedy: expect.stringContaining(
          `abort --topic ${topicOf(tallyman)} --partition 0 --start-offset 0`,
        ) as string,
      }),
    );
    const close = await tallyman.run(['close', lastMonth, '--grace', '0s', '--stall', '3s']);
    expect(close.code).toBe(1);
    expect(close.stderr).toContain('[TRANSACTION_OPEN]');

    const catchUp = await started(tallyman, ['consume', 'session', '--until-caught-up']);
    await eventually(() => catchUp.log().includes('a transaction has been open'), { timeoutMs: 60_000 });
    expect(catchUp.child.exitCode).toBeNull();
    expect(await seconds(tallyman)).toBeUndefined();

    await open.commit();
    expect(await catchUp.ended).toBe(0);
    await Promise.all([consumer.becomes(200), server.becomes(200)]);
    expect(await seconds(tallyman)).toBe('180');
    expect((await tallyman.run(['doctor', '--json'])).stdout).not.toContain('transaction');
  } finally {
    await end();
  }
}, 240_000);

test('partitions that nobody reads: the server says so, and a consumer of another topic is content', async () => {
  const tallyman = installation(STUCK);
  await tallyman.ok('init', '--partitions', '2');
  const server = await started(tallyman, ['serve']);
  const other = await started(tallyman, ['consume', 'transfer']);
  await Promise.all([server.becomes(200), other.becomes(200)]);
  await producer.send({ topic: topicOf(tallyman), messages: [session(1)] });

  const { problems } = await server.becomes(503, says('PARTITION_UNREAD'));
  expect(problems).toMatchObject([{ code: 'PARTITION_UNREAD', subject: `${topicOf(tallyman)}/1` }]);
  await other.becomes(200);
  await started(tallyman, ['consume', 'session']);
  await server.becomes(200);
}, 240_000);

describe('another Redis', () => {
  let redis: NativeService;
  beforeAll(async () => (redis = await startNativeRedis(() => undefined)));
  afterAll(() => redis.stop());

  test('a consumer at a copy of Redis: usage waits in each, and both say so', async () => {
    const tallyman = installation(STUCK);
    await tallyman.ok('init', '--partitions', '4');
    const copy = installation({ ...tallyman.env, REDIS_URL: `redis://${redis.address}` });
    await copy.ok('init', '--partitions', '4');
    const right = await started(tallyman, ['consume', 'session']);
    const wrong = await started(copy, ['consume', 'session']);
    await Promise.all([right.becomes(200), wrong.becomes(200)]);
    // Both are assigned two of the four.
    await eventually(() => [right, wrong].every((one) => /"partitions":\[\d,\d\]/.test(one.log())), {
      timeoutMs: 60_000,
    });
    const messages = [0, 1, 2, 3].map((partition) => session(partition));
    await producer.send({ topic: topicOf(tallyman), messages });
    for (const process of [right, wrong]) {
      const { problems } = await process.becomes(503, says('PARTITION_STUCK'));
      expect(problems).toHaveLength(2);
    }
  }, 240_000);
});
