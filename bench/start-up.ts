import { setTimeout as delay } from 'node:timers/promises';
import { consumerNames } from '../consumers';
import { readConfig } from '../src/lib/config';
import type { NativeService } from '../src/dev/services/service';
import { openKafka } from '../src/kafka/client';
import { topicName } from '../src/kafka/topics/topics';
import { readCursors } from '../src/redis/cursors';
import { createUsageTopics, endsOfLog, initInstallation, openBenchStore } from './installation';
import { startChild } from './processes';
import { environment, newPrefix, startRedis } from './servers';
import { lastMonth } from './workload';

export interface StartUpResult {
  readonly section: 'start-up';
  readonly what: string;
  readonly partitions: number;
  readonly seconds: number;
}

const EVENTS = 20_000;

/**
 * How long a consumer takes from its start to the first, and to all, of a small backlog; and to
 * share it with a second one.
 */
export async function measureStartUp(
  kafka: NativeService,
  partitions: number,
  onResult: (result: StartUpResult) => void,
): Promise<void> {
  const redis = await startRedis();
  const env = environment(kafka, redis, newPrefix('start'));
  const { prefix, kafka: kafkaOptions } = readConfig(env);
  await createUsageTopics(env, partitions);
  const workload = { seed: 3, month: lastMonth(Date.now()), events: EVENTS, projects: 5_000 };
  await startChild('bench/fill.js', [JSON.stringify(workload)], env).ended;
  const store = await openBenchStore(env);
  await initInstallation(env, partitions);
  const ends = await endsOfLog(env);
  const client = openKafka(kafkaOptions);
  const admin = await client.admin();
  const report = (what: string, startedAt: number): void =>
    onResult({ section: 'start-up', what, partitions, seconds: (performance.now() - startedAt) / 1000 });

  async function applied(): Promise<number> {
    let sum = 0;
    for (let shard = 0; shard < partitions; shard += 1) {
      const cursors = await readCursors(store, shard);
      for (const topic of ends.keys()) sum += cursors.get(topic) ?? 0;
    }
    return sum;
  }

  async function membersOfStableGroups(): Promise<number> {
    const { groups } = await admin.describeGroups(
      consumerNames.map((name) => topicName(prefix, `tallyman.${name}`)),
    );
    return Math.min(...groups.map(({ state, members }) => (state === 'Stable' ? members.length : 0)));
  }

  let startedAt = performance.now();
  const children = [startChild('src/cli/tallyman.js', ['consume'], env)];
  try {
    while ((await applied()) === 0) await delay(10);
    report('to the first event', startedAt);
    while ((await applied()) < EVENTS) await delay(10);
    report(`to all of ${EVENTS.toLocaleString('en-US')} events`, startedAt);
    startedAt = performance.now();
    children.push(startChild('src/cli/tallyman.js', ['consume'], env));
    while ((await membersOfStableGroups()) < 2) await delay(20);
    report('until a second consumer has its share', startedAt);
  } finally {
    for (const child of children) await child.stop();
    await client.close();
    await store.close();
    await redis.stop();
  }
}
