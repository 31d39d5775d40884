import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { NativeService } from '../src/dev/services/service';
import type { Store } from '../src/redis/store';
import { countWrong, readHashes } from './check-totals';
import { startKstreams, type Kstreams } from './engines/kstreams';
import {
  appliedRecords,
  createUsageTopics,
  endsOfLog,
  holdClosedMonth,
  initInstallation,
  openBenchStore,
} from './installation';
import { cpuMs, peakBytes, startChild, type Child } from './processes';
import type { Recount } from './recount';
import { memoryByKind } from './redis-memory';
import { environment, say, startRedis } from './servers';
import { lastMonth } from './workload';
import { previousMonth } from '../src/rating/month';

export const ENGINES = ['raw', 'tallyman', 'tallyman x2', 'naive', 'naive-batched', 'kstreams'] as const;
export type Engine = (typeof ENGINES)[number];
/** Maven fetches its libraries, and it runs for minutes. */
export const DEFAULT_ENGINES = ENGINES.filter((engine) => engine !== 'kstreams');

export interface ThroughputOptions {
  readonly seed: number;
  readonly events: number;
  readonly projects: number;
  readonly partitions: number;
  readonly engines: readonly Engine[];
}

/** One engine over one workload. CPU is in seconds per million events. */
export interface EngineResult {
  readonly section: 'throughput';
  readonly engine: Engine;
  readonly projects: number;
  readonly partitions: number;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly consumerCpu: number;
  readonly redisCpu: number;
  readonly kafkaCpu: number;
  /** Consumer, Redis and Kafka together. */
  readonly totalCpu: number;
  readonly peakMemoryMb: number;
  readonly bytesPerId?: number;
  /** Totals and daily usage together. */
  readonly bytesPerProjectMonth?: number;
  readonly wrongTotals?: number;
  readonly totals?: number;
}

/**
 * The naive engine takes a tenth of a millisecond an event and more: it gets a part of the events,
 * in topics of their own.
 */
const NAIVE_SHARE = 0.1;
/** The part of the log after which Java has compiled what it runs. Its clock starts there. */
const WARM_UP_SHARE = 0.25;
/** Ids of the closed month before, so that each new one is looked for in two periods. */
const HELD_IDS = 240_000;

interface Filled {
  readonly prefix: string;
  readonly events: number;
  readonly recount: Recount;
}

/**
 * Every engine over the same log of the same broker, one after the other, each in processes of its
 * own and on a new Redis.
 */
export async function measureThroughput(
  kafka: NativeService,
  options: ThroughputOptions,
  onResult: (result: EngineResult) => void,
): Promise<void> {
  const whole =
    options.engines.some((engine) => engine !== 'naive') && (await filledTopics(kafka, options, 1));
  const part = options.engines.includes('naive') && (await filledTopics(kafka, options, NAIVE_SHARE));
  for (const engine of options.engines) {
    const filled = engine === 'naive' ? part : whole;
    if (filled) onResult(await runEngine(kafka, engine, filled, options));
  }
}

/** By prefix: a further run reads the same log. */
const logs = new Map<string, Promise<Filled>>();

function filledTopics(kafka: NativeService, options: ThroughputOptions, share: number): Promise<Filled> {
  const events = Math.round(options.events * share);
  const prefix = `bench-${options.projects}-${events}`;
  const filled = logs.get(prefix) ?? fillTopics(kafka, prefix, { ...options, events });
  logs.set(prefix, filled);
  return filled;
}

async function fillTopics(kafka: NativeService, prefix: string, options: ThroughputOptions): Promise<Filled> {
  const { seed, projects, partitions, events } = options;
  const month = lastMonth(Date.now());
  const env = environment(kafka, undefined, prefix);
  await createUsageTopics(env, partitions);
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-bench-'));
  try {
    const startedAt = Date.now();
    const file = join(folder, 'recount.json');
    const workload = JSON.stringify({ seed, month, events, projects });
    await Promise.all([
      startChild('bench/fill.js', [workload], env).ended,
      startChild('bench/recount.js', [workload, previousMonth(month), file], {}).ended,
    ]);
    say(
      `published and recounted ${events.toLocaleString('en-US')} events of ${projects.toLocaleString('en-US')} projects in ${((Date.now() - startedAt) / 1000).toFixed(0)} s`,
    );
    return { prefix, events, recount: JSON.parse(readFileSync(file, 'utf8')) as Recount };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runEngine(
  kafka: NativeService,
  engine: Engine,
  { prefix, events, recount }: Filled,
  options: ThroughputOptions,
): Promise<EngineResult> {
  const redis = await startRedis();
  const env = environment(kafka, redis, prefix);
  const store = await openBenchStore(env);
  const peer = engine === 'kstreams' ? await startKstreams(env) : undefined;
  try {
    const usesTallyman = engine.startsWith('tallyman');
    const closed = previousMonth(lastMonth(Date.now()));
    if (usesTallyman) {
      await initInstallation(env, options.partitions);
      await holdClosedMonth(store, options.partitions, closed, HELD_IDS);
    }
    const measured = await measure(kafka, redis, engine, env, store, events, peer);
    const shared = {
      section: 'throughput',
      engine,
      projects: options.projects,
      partitions: options.partitions,
      events,
      ...measured,
    } as const;
    if (engine === 'raw') return shared;
    const expected = usesTallyman ? recount.totals : withoutCloses(recount.totals);
    const found = peer
      ? await peer.totals()
      : await readHashes(
          store,
          usesTallyman
            ? { pattern: '*}:totals:*', stem: /^.*}:totals:/, ignored: /:made-up-/ }
            : { pattern: 'naive:totals:*', stem: /^naive:totals:/ },
        );
    const { wrong, of } = countWrong(found, expected);
    return {
      ...shared,
      ...(!peer && (await heldMemory(store, recount, usesTallyman ? HELD_IDS : 0))),
      wrongTotals: wrong,
      totals: of,
    };
  } finally {
    await peer?.close();
    await store.close();
    await redis.stop();
  }
}

async function measure(
  kafka: NativeService,
  redis: NativeService,
  engine: Engine,
  env: Readonly<Record<string, string>>,
  store: Store,
  events: number,
  peer: Kstreams | undefined,
): Promise<
  Pick<
    EngineResult,
    'eventsPerSecond' | 'consumerCpu' | 'redisCpu' | 'kafkaCpu' | 'totalCpu' | 'peakMemoryMb'
  >
> {
  const ends = await endsOfLog(env);
  const all = [...ends.values()].flat().reduce((sum, end) => sum + end, 0);
  if (all !== events) throw new Error(`the log holds ${all} records of ${events}`);
  let told = 0;
  const children: Child[] = [];
  const sample = (done: number) => ({
    done,
    at: performance.now(),
    consumer: children.reduce((sum, { pid }) => sum + cpuMs(pid), 0),
    redis: cpuMs(redis.pid),
    kafka: cpuMs(kafka.pid),
  });
  const start = (): void => void children.push(startEngine(engine, env, (done) => (told = done)));
  if (peer) children.push(peer.child);
  else start();
  if (engine === 'tallyman x2') start();
  try {
    const failed = Promise.race(children.map(({ ended }) => ended)).then(() => {
      throw new Error(`${engine} ended too soon`);
    });
    const watched = watch();
    await Promise.race([watched, failed]);
    return await watched;
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }

  /**
   * From the first sight of progress to the end of the log: what is before is the start of the
   * processes.
   */
  async function watch() {
    let first: ReturnType<typeof sample> | undefined;
    const warmAt = peer ? events * WARM_UP_SHARE : 1;
    for (;;) {
      const done = peer
        ? await peer.committed(ends)
        : engine.startsWith('tallyman')
          ? await appliedRecords(store, ends)
          : told;
      if (done >= warmAt) first ??= sample(done);
      if (first && done >= events) {
        const last = sample(done);
        const millions = (last.done - first.done) / 1e6;
        const [consumerCpu, redisCpu, kafkaCpu] = (['consumer', 'redis', 'kafka'] as const).map(
          (part) => (last[part] - first![part]) / 1000 / millions,
        ) as [number, number, number];
        return {
          eventsPerSecond: ((last.done - first.done) * 1000) / (last.at - first.at),
          ...{ consumerCpu, redisCpu, kafkaCpu, totalCpu: consumerCpu + redisCpu + kafkaCpu },
          peakMemoryMb: Math.max(...children.map(({ pid }) => peakBytes(pid))) / 1e6,
        };
      }
      await delay(peer ? 200 : first ? 30 : 5);
    }
  }
}

function startEngine(
  engine: Engine,
  env: Readonly<Record<string, string>>,
  onDone: (done: number) => void,
): Child {
  if (engine.startsWith('tallyman')) return startChild('src/cli/tallyman.js', ['consume'], env);
  const onMessage = (message: unknown): void => onDone((message as { done: number }).done);
  if (engine === 'raw') return startChild('bench/engines/raw.js', [], env, onMessage);
  return startChild('bench/engines/naive.js', engine === 'naive' ? [] : ['--batched'], env, onMessage);
}

async function heldMemory(
  store: Store,
  recount: Recount,
  heldBefore: number,
): Promise<Pick<EngineResult, 'bytesPerId' | 'bytesPerProjectMonth'>> {
  const kinds = await memoryByKind(store);
  const bytes = (...names: string[]): number =>
    names.reduce((sum, name) => sum + (kinds.get(name)?.bytes ?? 0), 0);
  return {
    bytesPerId: bytes('ids', 'id') / (recount.counted + heldBefore),
    bytesPerProjectMonth: bytes('totals', 'daily') / Object.keys(recount.totals).length,
  };
}

/** The naive engines know no close: late usage stands in its own month. */
function withoutCloses(totals: Recount['totals']): Recount['totals'] {
  const merged: Record<string, Record<string, string>> = {};
  for (const [key, meters] of Object.entries(totals)) {
    const project = key.slice(key.indexOf(':') + 1);
    for (const [name, quantity] of Object.entries(meters)) {
      const late = /^(\d{4}-\d\d)@(.*)$/.exec(name);
      const target = late ? `${late[1]}:${project}` : key;
      (merged[target] ??= {})[late ? late[2]! : name] = quantity;
    }
  }
  return merged;
}
