import { setTimeout as delay } from 'node:timers/promises';
import type { NativeService } from '../src/dev/services/service';
import { readConfig } from '../src/lib/config';
import { openKafka } from '../src/kafka/client';
import { createPublisher, type Publisher } from '../src/kafka/producer';
import { topicName } from '../src/kafka/topics/topics';
import type { Store } from '../src/redis/store';
import { endsOfLog, initInstallation, openBenchStore } from './installation';
import { peakBytes, startChild } from './processes';
import { quantiles } from './quantiles';
import { environment, newPrefix, startRedis } from './servers';
import { lastMonth } from './workload';
import { previousMonth } from '../src/rating/month';

/** The time from sending an event to the total that operators can read, in milliseconds. */
export interface FreshnessResult {
  readonly section: 'freshness';
  readonly what: string;
  /** Events a second beside the probes. */
  readonly rate: number;
  readonly partitions: number;
  /** What came, probes included: a machine with too little left does not get to the rate. */
  readonly eventsPerSecond: number;
  readonly probes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The part until Kafka has acknowledged the event. */
  readonly sentP99Ms: number;
  /** The consumer's peak memory so far. */
  readonly peakMemoryMb: number;
}

const PROBE_INTERVAL_MS = 40;
const POLL_MS = 1;
const WARM_UP_MS = 6_000;

export async function measureFreshness(
  kafka: NativeService,
  {
    rate,
    projects,
    partitions,
    seconds,
  }: { rate: number; projects: number; partitions: number; seconds: number },
  onResult: (result: FreshnessResult) => void,
): Promise<void> {
  const redis = await startRedis();
  const env = environment(kafka, redis, newPrefix('freshness'));
  const { kafka: kafkaOptions, prefix } = readConfig(env);
  const store = await openBenchStore(env);
  await initInstallation(env, partitions);
  const client = openKafka(kafkaOptions);
  const publisher = await createPublisher(client);
  const prober = createProber(publisher, store, topicName(prefix, 'usage.session'), partitions);
  const consumer = startChild('src/cli/tallyman.js', ['consume'], env);
  const children = [consumer];
  const records = async (): Promise<number> =>
    [...(await endsOfLog(env)).values()].flat().reduce((sum, end) => sum + end, 0);
  const report = async (what: string, rateNow: number, work: () => Promise<unknown>): Promise<void> => {
    const before = await records();
    const startedAt = performance.now();
    const probes = await prober.during(work);
    const eventsPerSecond = ((await records()) - before) / ((performance.now() - startedAt) / 1000);
    const counted = quantiles(probes.map(({ countedMs }) => countedMs));
    const sent = quantiles(probes.map(({ sentMs }) => sentMs));
    onResult({
      ...{ section: 'freshness', what, rate: rateNow, partitions, eventsPerSecond, probes: probes.length },
      ...{ p50Ms: counted(0.5), p99Ms: counted(0.99), maxMs: counted(1), sentP99Ms: sent(0.99) },
      peakMemoryMb: peakBytes(consumer.pid) / 1e6,
    });
  };
  try {
    await prober.during(() => delay(WARM_UP_MS));
    await report('idle', 0, () => delay(seconds * 500));
    children.push(startChild('bench/load.js', [String(rate), String(projects)], env));
    await prober.during(() => delay(WARM_UP_MS));
    await report('steady', rate, () => delay(seconds * 1_000));
    const month = previousMonth(lastMonth(Date.now()));
    await report('while a close runs', rate, async () => {
      await startChild('src/cli/tallyman.js', ['close', month, '--grace', '0s'], env).ended;
      await delay(1_000);
    });
    await report('a second consumer comes and goes', rate, async () => {
      const second = startChild('src/cli/tallyman.js', ['consume'], env);
      await delay(seconds * 500);
      await second.stop();
      await delay(seconds * 500);
    });
  } finally {
    for (const child of children.reverse()) await child.stop();
    await publisher.close();
    await client.close();
    await store.close();
    await redis.stop();
  }
}

/** How long it took until Kafka had an event, and until it was in the total. */
interface Probe {
  readonly sentMs: number;
  readonly countedMs: number;
}

/** Sends single events of projects of their own, and looks for their totals. */
function createProber(publisher: Publisher, store: Store, topic: string, partitions: number) {
  let number = 0;

  async function probe(): Promise<Probe> {
    const project = `probe-${number}`;
    const partition = number % partitions;
    number += 1;
    const now = Date.now();
    const time = new Date(now).toISOString();
    const event = {
      ...{
        specversion: '1.0',
        id: project,
        source: '/bench/probe',
        type: 'usage.session.v1',
        subject: project,
        time,
      },
      data: { service: 'webrtc', durationMs: 1 },
    };
    const sentAt = performance.now();
    const sent = publisher
      .publish(topic, [{ key: project, value: JSON.stringify(event), timestampMs: now, partition }])
      .then(() => performance.now() - sentAt);
    const key = store.keys.totals(partition, time.slice(0, 7), project);
    while ((await store.redis.hget(key, 'session.webrtc')) === null) await delay(POLL_MS);
    const countedMs = performance.now() - sentAt;
    return { sentMs: await sent, countedMs };
  }

  return {
    /** The probes that were sent while `work` was done. */
    async during(work: () => Promise<unknown>): Promise<Probe[]> {
      const probes: Promise<Probe>[] = [];
      const timer = setInterval(() => probes.push(probe()), PROBE_INTERVAL_MS);
      try {
        await work();
      } finally {
        clearInterval(timer);
      }
      return Promise.all(probes);
    },
  };
}
