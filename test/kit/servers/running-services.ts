import type { ServiceHandle } from '../../../src/dev/services/service';
import {
  brokersOf,
  redisUrlOf,
  startKafka,
  startRedis,
  type StartOptions,
} from '../../../src/dev/services/services';

/**
 * What this jest run has started. Jest may load each set-up file in a world of its own, so it is
 * kept globally.
 */
const shared = globalThis as {
  tallymanTestServices?: { kafka?: Promise<ServiceHandle>; redis?: Promise<ServiceHandle> };
};
const running = (shared.tallymanTestServices ??= {});

const options: StartOptions = { log: (line) => process.stderr.write(`${line}\n`), docker: 'testcontainers' };

/** Starts the run's Redis, unless it runs, and tells the test files where it is. */
export async function needRedis(): Promise<void> {
  running.redis ??= startRedis(options);
  process.env['TALLYMAN_TEST_REDIS_URL'] = redisUrlOf(await running.redis);
}

/** Starts the run's Kafka, unless it runs, and tells the test files where it is. */
export async function needKafka(): Promise<void> {
  running.kafka ??= startKafka(options);
  process.env['TALLYMAN_TEST_BROKERS'] = brokersOf(await running.kafka).join(',');
}

export async function stopAll(): Promise<void> {
  const starting = [running.kafka, running.redis].filter((one) => one !== undefined);
  delete running.kafka;
  delete running.redis;
  const started = (await Promise.allSettled(starting)).filter((one) => one.status === 'fulfilled');
  await Promise.all(started.map((one) => one.value.stop()));
}
