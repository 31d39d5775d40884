import { startNativeKafka } from '../src/dev/services/native-kafka';
import { startNativeRedis } from '../src/dev/services/native-redis';
import type { NativeService } from '../src/dev/services/service';
import { createProgress } from '../src/lib/progress';

/**
 * This machine's own servers, never given ones: their CPU and memory are read from /proc, and Redis
 * is thrown away.
 */
export const startKafka = (): Promise<NativeService> => startNativeKafka(say, createProgress('Kafka'));
export const startRedis = (): Promise<NativeService> => startNativeRedis(say);

let prefixes = 0;

/** An installation's own: a section may be run again on the same Kafka. */
export const newPrefix = (name: string): string => `bench-${name}-${(prefixes += 1)}`;

export function say(text: string): void {
  process.stderr.write(`  ${text}\n`);
}

/** The environment of Tallyman's own programs. */
export function environment(
  kafka: NativeService,
  redis: NativeService | undefined,
  prefix: string,
): Record<string, string> {
  return {
    KAFKA_BROKERS: kafka.address,
    ...(redis && { REDIS_URL: `redis://${redis.address}` }),
    TALLYMAN_PREFIX: prefix,
    LOG_LEVEL: 'warn',
  };
}
