import type { Progress } from '../../lib/progress';
import { dockerAnswers, startContainer, startWithCompose } from './docker';
import { startNativeKafka } from './native-kafka';
import { startNativeRedis } from './native-redis';
import { obtainService, type Ways } from './obtain-service';
import type { ServiceHandle } from './service';

/**
 * How Docker is used if an engine answers: testcontainers in tests, Compose elsewhere, or not at
 * all.
 */
export type DockerUse = 'testcontainers' | 'compose' | 'none';

export interface StartOptions {
  /** Prints a line about what is being done. */
  readonly log: (line: string) => void;
  readonly docker: DockerUse;
  /** Shows the progress of downloading Kafka, the only long step. */
  readonly progress?: Progress;
}

/** A Kafka and a Redis that are ready. */
export interface Services {
  readonly brokers: string[];
  readonly redisUrl: string;
  readonly kafka: ServiceHandle;
  readonly redis: ServiceHandle;
  /** Stops what was started here. Given servers are left alone. */
  stop(): Promise<void>;
}

/**
 * Starts or finds Kafka and Redis. Each one is the first of: the one named by `KAFKA_BROKERS` or
 * `REDIS_URL`, Docker, this machine's own.
 *
 * @throws TallymanError with what to install if one is not available; the other is stopped then
 */
export async function startServices(options: StartOptions): Promise<Services> {
  const [kafka, redis] = await Promise.allSettled([startKafka(options), startRedis(options)]);
  if (kafka.status === 'rejected' || redis.status === 'rejected') {
    for (const one of [kafka, redis]) if (one.status === 'fulfilled') await one.value.stop();
    throw kafka.status === 'rejected' ? kafka.reason : (redis as PromiseRejectedResult).reason;
  }
  return {
    brokers: brokersOf(kafka.value),
    redisUrl: redisUrlOf(redis.value),
    kafka: kafka.value,
    redis: redis.value,
    stop: async () => void (await Promise.all([kafka.value.stop(), redis.value.stop()])),
  };
}

export function startKafka({ docker, log, progress }: StartOptions): Promise<ServiceHandle> {
  return obtainService(
    {
      name: 'Kafka',
      variable: 'KAFKA_BROKERS',
      given: process.env['KAFKA_BROKERS'],
      docker: dockerWay('kafka', docker),
      startNative: () => startNativeKafka(log, progress),
    },
    log,
  );
}

export function startRedis({ docker, log }: StartOptions): Promise<ServiceHandle> {
  return obtainService(
    {
      name: 'Redis',
      variable: 'REDIS_URL',
      given: process.env['REDIS_URL'],
      docker: dockerWay('redis', docker),
      startNative: () => startNativeRedis(log),
    },
    log,
  );
}

function dockerWay(service: 'kafka' | 'redis', docker: DockerUse): Ways['docker'] {
  if (docker === 'none') return undefined;
  const startInDocker = docker === 'compose' ? startWithCompose : startContainer;
  return { answers: dockerAnswers, start: () => startInDocker(service) };
}

export const brokersOf = (kafka: ServiceHandle): string[] => kafka.address.split(',');

export const redisUrlOf = (redis: ServiceHandle): string =>
  redis.address.includes('://') ? redis.address : `redis://${redis.address}`;
