import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { consumerNames, consumerNamed } from '../consumers';
import { readConfig } from '../src/lib/config';
import { openKafka, type KafkaClient } from '../src/kafka/client';
import { createTopics, logEnds, topicName } from '../src/kafka/topics/topics';
import { apply } from '../src/redis/apply/apply-chunk';
import { initCursor, readCursors } from '../src/redis/cursors';
import { freeze } from '../src/redis/cut-offs';
import { writeShardCount } from '../src/redis/usage/read-usage';
import { openStore, type Store } from '../src/redis/store';
import type { RatedEvent } from '../src/rating/usage';
import { startChild } from './processes';

type Environment = Readonly<Record<string, string>>;

export async function createUsageTopics(env: Environment, partitions: number): Promise<void> {
  const config = readConfig(env);
  const kafka = openKafka(config.kafka);
  await createTopics(kafka, config.prefix, {
    ...{ partitions, replication: 1, retentionDays: 100 },
    timestamps: 'create',
  });
  await ready(kafka, namesOfTopics(config.prefix));
  await kafka.close();
}

const READY_LIMIT_MS = 60_000;

/**
 * A broker is told of its new partitions after the topics are there; hundreds of them take it
 * longer than a send waits.
 */
async function ready(kafka: KafkaClient, topics: readonly string[]): Promise<void> {
  const deadline = Date.now() + READY_LIMIT_MS;
  for (;;) {
    const answer = await logEnds(kafka, topics).catch((error: unknown) => error);
    if (answer instanceof Map) return;
    if (Date.now() > deadline) throw answer;
    await delay(100);
  }
}

export async function endsOfLog(env: Environment): Promise<Map<string, readonly number[]>> {
  const config = readConfig(env);
  const kafka = openKafka(config.kafka);
  const ends = await logEnds(kafka, namesOfTopics(config.prefix));
  await kafka.close();
  return ends;
}

const namesOfTopics = (prefix: string): string[] =>
  consumerNames.map((name) => topicName(prefix, consumerNamed(name).topic));

export async function openBenchStore(env: Environment): Promise<Store> {
  const { redisUrl, prefix } = readConfig(env);
  return openStore({ url: redisUrl, prefix });
}

/** Topics and cursors, by the command that ops use. */
export async function initInstallation(env: Environment, partitions: number): Promise<void> {
  await startChild(
    'src/cli/tallyman.js',
    ['init', '--partitions', String(partitions), '--timestamps', 'create'],
    env,
  ).ended;
}

async function initCursors(store: Store, topics: readonly string[], shards: number): Promise<void> {
  for (let shard = 0; shard < shards; shard += 1) {
    for (const topic of topics) await initCursor(store, shard, topic, 0);
  }
  await writeShardCount(store, shards);
}

/** How many records of these logs are applied. */
export async function appliedRecords(
  store: Store,
  ends: ReadonlyMap<string, readonly number[]>,
): Promise<number> {
  const shards = [...ends.values()][0]?.length ?? 0;
  const cursors = await Promise.all(Array.from({ length: shards }, (_, shard) => readCursors(store, shard)));
  let done = 0;
  for (const shard of cursors) for (const topic of ends.keys()) done += shard.get(topic) ?? 0;
  return done;
}

const PRELOAD_CHUNK = 2_000;

/**
 * Applies made-up events of one minute each to every shard in turn, under a topic of their own.
 *
 * @param first the number of the first event; each has its own id, and its place in the shard's
 *   topic by `first / shards`
 */
export async function applyMadeUp(
  store: Store,
  options: { shards: number; first: number; count: number; month: string; projects: readonly string[] },
): Promise<void> {
  const { shards, first, count, month, projects } = options;
  const perShard = Math.ceil(count / shards);
  const firstOffset = Math.ceil(first / shards);
  for (let from = firstOffset; from < firstOffset + perShard; from += PRELOAD_CHUNK) {
    const next = Math.min(firstOffset + perShard, from + PRELOAD_CHUNK);
    await Promise.all(
      Array.from({ length: shards }, async (_, shard) => {
        const events: RatedEvent[] = [];
        for (let offset = from; offset < next; offset += 1) {
          const number = offset * shards + shard;
          const day = `${month}-${String(1 + (Math.floor(number / 50_000) % 28)).padStart(2, '0')}`;
          events.push({
            ...{ offset, month, day },
            project: projects[number % projects.length]!,
            source: '/bench/1',
            id: `PA_${number.toString(36)}_${month}`,
            usages: [{ meter: 'session.webrtc', quantity: '60' }],
          });
        }
        const { answer } = await apply(store, shard, { topic: MADE_UP_TOPIC, from, next, events });
        if (answer !== 'APPLIED') throw new Error(`made-up events: ${answer}`);
      }),
    );
  }
}

export const MADE_UP_TOPIC = 'bench.made-up';

/** Cursors for `applyMadeUp`. */
export const initMadeUp = (store: Store, shards: number): Promise<void> =>
  initCursors(store, [MADE_UP_TOPIC], shards);

/**
 * A month that is closed already, with ids in it: usage of it is late, and every id is looked for
 * in two periods.
 */
export async function holdClosedMonth(
  store: Store,
  shards: number,
  month: string,
  ids: number,
): Promise<void> {
  await initMadeUp(store, shards);
  await applyMadeUp(store, { shards, first: 0, count: ids, month, projects: [`made-up-${randomUUID()}`] });
  for (let shard = 0; shard < shards; shard += 1) await freeze(store, shard, month);
}
