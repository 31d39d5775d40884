import { startNativeKafka } from '../../../src/dev/services/native-kafka';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import type { NativeService } from '../../../src/dev/services/service';

/** A Kafka and a Redis of one test file's own, which it may kill, pause and restart. */
export interface OwnServices {
  readonly kafka: NativeService;
  readonly redis: NativeService;
  readonly brokers: string[];
  readonly redisUrl: string;
  stop(): Promise<void>;
}

const log = (line: string): void => void process.stderr.write(`${line}\n`);

export async function ownServices(): Promise<OwnServices> {
  const [kafka, redis] = await Promise.all([startNativeKafka(log), startNativeRedis(log)]);
  return {
    kafka,
    redis,
    brokers: [kafka.address],
    redisUrl: `redis://${redis.address}`,
    stop: async () => void (await Promise.all([kafka.stop(), redis.stop()])),
  };
}
