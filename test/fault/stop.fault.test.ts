import { startNativeKafka } from '../../src/dev/services/native-kafka';
import { startNativeRedis } from '../../src/dev/services/native-redis';
import type { NativeService } from '../../src/dev/services/service';
import { eventually } from '../kit/eventually';
import { installation, type Installation } from '../kit/tallyman';
import { faultCase } from './support/fault-case';
import { onRedis } from './support/proxy/redis-faults';
import { startTallyman, type TallymanProcess } from './support/tallyman-process';

/**
 * A consumer ends in good order whenever it is asked to: whatever its servers do, and without their
 * answer.
 */

const KEYS = 2_000;
/** Per key, so that Redis loads for ten seconds, and then rewrites its file for ten. */
const SLOW = ['--key-load-delay', '5000', '--rdb-key-save-delay', '5000'];

let kafka: NativeService;
let redis: NativeService;
let tallyman: Installation;
let restarting: Promise<void> | undefined;
const consumers: TallymanProcess[] = [];

beforeEach(async () => {
  const log = (line: string): void => void process.stderr.write(`${line}\n`);
  [kafka, redis] = await Promise.all([startNativeKafka(log), startNativeRedis(log, SLOW)]);
  tallyman = installation({
    ...{ KAFKA_BROKERS: kafka.address, REDIS_URL: `redis://${redis.address}`, LOG_LEVEL: 'debug' },
  });
  await tallyman.ok('init', '--partitions', '2');
}, 120_000);
afterEach(async () => {
  await Promise.all(consumers.splice(0).map((consumer) => consumer.kill()));
  await restarting;
  restarting = undefined;
  await Promise.all([kafka.stop(), redis.stop()]);
}, 60_000);

function consume(): TallymanProcess {
  const consumer = startTallyman(tallyman, ['consume']);
  consumers.push(consumer);
  return consumer;
}

/** Waits until a consumer has logged a text this often. */
const said = (consumer: TallymanProcess, text: string, times = 1): Promise<boolean> =>
  eventually(() => consumer.said().split(text).length > times, { timeoutMs: 90_000, what: text });

/** One member of each of the four groups. */
async function running(): Promise<TallymanProcess> {
  const consumer = consume();
  await said(consumer, '"msg":"assigned"', 4);
  return consumer;
}

async function fillRedis(): Promise<void> {
  const fillers = Array.from({ length: KEYS }, (_, key) => [`filler-${key}`, '1']);
  await onRedis(redis, (client) => client.mset(fillers.flat()));
}

/** What holds a process when it is asked to stop. */
const MOMENTS: Record<string, () => Promise<TallymanProcess>> = {
  'all is well': running,
  'it waits for its group, which waits for a dead member': async () => {
    await (await running()).kill();
    const consumer = consume();
    await said(consumer, '"msg":"Starting"', 4);
    return consumer;
  },
  'Kafka is away': async () => {
    const consumer = await running();
    await kafka.kill('SIGKILL');
    await said(consumer, 'the consumer broke down');
    return consumer;
  },
  'Kafka stands still': async () => {
    const consumer = await running();
    kafka.pause();
    return consumer;
  },
  'Kafka was killed and is back': async () => {
    const consumer = await running();
    await kafka.kill('SIGKILL');
    await said(consumer, 'the consumer broke down', 4);
    await kafka.restart();
    return consumer;
  },
  'Redis stands still': async () => {
    const consumer = await running();
    redis.pause();
    return consumer;
  },
  'Redis is away': async () => {
    const consumer = await running();
    await redis.kill('SIGKILL');
    return consumer;
  },
  'Redis loads': async () => {
    const consumer = await running();
    await fillRedis();
    const { pid } = redis;
    restarting = redis.restart();
    await eventually(() => redis.pid !== pid);
    return consumer;
  },
  'Redis rewrites its file after a restart, and Kafka was killed': async () => {
    const consumer = await running();
    await fillRedis();
    await kafka.kill('SIGKILL');
    // No loop asks Redis any more: one that got no answer from it would end the process.
    await said(consumer, 'the consumer broke down', 4);
    await redis.restart();
    await said(consumer, 'waiting until it has rewritten');
    await kafka.restart();
    return consumer;
  },
};

for (const [moment, reach] of Object.entries(MOMENTS)) {
  faultCase(
    'stop',
    moment,
    async (counts) => {
      const consumer = await reach();
      const startedAt = Date.now();
      const { code, signal, stderr } = await consumer.stop();
      counts.tell(`ended after ${Date.now() - startedAt} ms`);
      const ends = stderr.split('\n').filter((line) => line.includes('did not stop in time'));
      expect({ code, signal, ends }).toEqual({ code: 0, signal: null, ends: [] });
      counts.differences = 0;
    },
    300_000,
  );
}
