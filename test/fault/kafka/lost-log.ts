import { statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createTopics } from '../../../src/kafka/topics/topics';
import type { ErrorCode } from '../../../src/lib/error-codes';
import { eventually } from '../../kit/eventually';
import type { Answer } from '../../kit/tallyman';
import type { FaultInstallation, FaultRun } from '../support/fault-suite';
import { withKafka } from '../support/kafka-client';
import { readContent, type RedisContent } from '../support/redis-content';
import type { TallymanProcess } from '../support/tallyman-process';

export const EVENTS = 4_000;

/** An installation that has counted all of its log, and whose consumers are stopped. */
export async function counted(run: FaultRun): Promise<FaultInstallation> {
  const tallyman = await run.install(2, { LOG_LEVEL: 'info' });
  const load = run.load(tallyman, { events: EVENTS });
  await load.done;
  await run.finish(tallyman);
  await run.judge(tallyman, load.published);
  return tallyman;
}

export const sessionOf = ({ prefix }: FaultInstallation): string => `${prefix}.usage.session`;
export const contentOf = (run: FaultRun, { prefix }: FaultInstallation): Promise<RedisContent> =>
  readContent(run.world.direct.REDIS_URL, prefix);

/** Recreates the topic of sessions with this many records of other events. */
export function replaceTopic(run: FaultRun, tallyman: FaultInstallation, events: number): Promise<void> {
  return withKafka(run.world, async (client) => {
    const admin = await client.admin();
    const before = await client.topicId(sessionOf(tallyman));
    await admin.deleteTopics({ topics: [sessionOf(tallyman)] });
    await eventually(async () => !(await client.topics([sessionOf(tallyman)])).has(sessionOf(tallyman)));
    await createTopics(client, tallyman.prefix, { partitions: 2, replication: 1, retentionDays: 100 });
    expect(await client.topicId(sessionOf(tallyman))).not.toBe(before);
    const load = run.load(tallyman, { events, mix: { 'usage.session': 1 }, seed: run.seed + 1 });
    await load.done;
  });
}

/** Deletes records as retention does: all but the last one of each partition. */
export function cutLog(run: FaultRun, topic: string): Promise<void> {
  return withKafka(run.world, async (client) => {
    const admin = await client.admin();
    // Asked of the admin client, which deletes nothing of a topic that it has not looked up.
    const ends = await admin.fetchTopicOffsets(topic);
    const partitions = ends.map(({ partition, high }) => ({ partition, offset: String(Number(high) - 1) }));
    await admin.deleteTopicRecords({ topic, partitions });
  });
}

/**
 * What a power cut does to a log that has no copy: Kafka leaves it to the system when records reach
 * the disk.
 */
export async function loseLogEnd(run: FaultRun, partition: string): Promise<void> {
  const { kafka } = run.world;
  await kafka.kill('SIGKILL');
  run.kills += 1;
  const segment = join(kafka.dataDir, partition, `${'0'.repeat(20)}.log`);
  truncateSync(segment, statSync(segment).size >> 1);
  await kafka.restart();
}

export async function emptyRedis({ world }: FaultRun, { prefix }: FaultInstallation): Promise<void> {
  const redis = new Redis(world.direct.REDIS_URL);
  await redis.unlink(...(await redis.keys(`${prefix}:*`)));
  redis.disconnect();
}

/**
 * A consumer that has its partitions, and then stands still, without an answer to a fetch that is
 * on its way to it.
 */
export async function pausedConsumer(run: FaultRun, tallyman: FaultInstallation): Promise<TallymanProcess> {
  const consumer = run.consume(tallyman.proxied, 'session');
  await eventually(() => consumer.said().includes('assigned'), { what: 'partitions are assigned' });
  consumer.pause();
  run.world.kafkaProxy.cut();
  return consumer;
}

export function expectStop(answer: Pick<Answer, 'code' | 'stderr'>, error: ErrorCode, exit = 1): void {
  expect({ exit: answer.code, stderr: answer.stderr }).toEqual({
    exit,
    stderr: expect.stringContaining(`[${error}]`) as string,
  });
}
