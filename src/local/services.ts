import type { Progress } from '../progress';
import { startNativeKafka } from './native-kafka';
import { startNativeRedis } from './native-redis';
import type { ServiceHandle } from './service';

export interface StartOptions {
  /** Takes one line for a person about what is being done. */
  readonly log?: (line: string) => void;
  readonly progress?: Progress;
}

/** A Kafka and a Redis that serve. */
export interface Services {
  readonly brokers: string[];
  readonly redisUrl: string;
  readonly kafka: ServiceHandle;
  readonly redis: ServiceHandle;
  stop(): Promise<void>;
}

export async function startKafka(options: StartOptions): Promise<ServiceHandle> {
  return startNativeKafka(options.log ?? (() => undefined), options.progress);
}

export async function startRedis(options: StartOptions): Promise<ServiceHandle> {
  return startNativeRedis(options.log ?? (() => undefined));
}

/** Starts both at once; when one cannot be had, the other is stopped. */
export async function startServices(options: StartOptions = {}): Promise<Services> {
  const [kafka, redis] = await Promise.allSettled([startKafka(options), startRedis(options)]);
  if (kafka.status === 'rejected') {
    if (redis.status === 'fulfilled') await redis.value.stop();
    throw kafka.reason;
  }
  if (redis.status === 'rejected') {
    await kafka.value.stop();
    throw redis.reason;
  }
  return {
    brokers: brokersOf(kafka.value),
    redisUrl: redisUrlOf(redis.value),
    kafka: kafka.value,
    redis: redis.value,
    stop: async () => void (await Promise.all([kafka.value.stop(), redis.value.stop()])),
  };
}

export const brokersOf = (kafka: ServiceHandle): string[] => kafka.address.split(',');
export const redisUrlOf = (redis: ServiceHandle): string =>
  redis.address.includes('://') ? redis.address : `redis://${redis.address}`;
