import { startNativeKafka } from '../../../src/dev/services/native-kafka';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import { freePort } from '../../../src/dev/services/free-port';
import type { NativeService } from '../../../src/dev/services/service';
import { kafkaProtocol } from './proxy/kafka-protocol';
import { Proxy } from './proxy/proxy';
import { redisProtocol } from './proxy/redis-protocol';

/** The servers of one suite file's own. */
export interface World {
  /** The environment of a Tallyman that goes straight to the servers. */
  readonly direct: { readonly KAFKA_BROKERS: string; readonly REDIS_URL: string };
  /** The environment of one that goes through proxies, if there are any. */
  readonly proxied?: { readonly KAFKA_BROKERS: string; readonly REDIS_URL: string };
  /** Leaves the servers as they were before a case. */
  restore(): Promise<void>;
  stop(): Promise<void>;
}

/** A Kafka and a Redis, each with a second way in, through a proxy. */
export interface FaultWorld extends World {
  readonly kafka: NativeService;
  readonly redis: NativeService;
  readonly kafkaProxy: Proxy;
  readonly redisProxy: Proxy;
  readonly proxied: { readonly KAFKA_BROKERS: string; readonly REDIS_URL: string };
}

const log = (line: string): void => void process.stderr.write(`${line}\n`);

export async function startFaultWorld(): Promise<FaultWorld> {
  const [behindProxy, kafkaProxyPort, redisProxyPort] = await Promise.all([
    freePort(),
    freePort(),
    freePort(),
  ]);
  const [kafka, redis] = await Promise.all([
    // Kafka tells its clients where it is: those who come by the proxy must be told of the proxy.
    startNativeKafka(log, undefined, {
      listeners: [
        { name: 'PROXIED', protocol: 'PLAINTEXT', port: behindProxy, advertisedPort: kafkaProxyPort },
      ],
    }),
    startNativeRedis(log),
  ]);
  const [kafkaProxy, redisProxy] = await Promise.all([
    Proxy.open({ port: kafkaProxyPort, targetPort: behindProxy, protocol: kafkaProtocol }),
    Proxy.open({ port: redisProxyPort, targetPort: redis.port, protocol: redisProtocol }),
  ]);
  return {
    ...{ kafka, redis, kafkaProxy, redisProxy },
    direct: { KAFKA_BROKERS: kafka.address, REDIS_URL: `redis://${redis.address}` },
    proxied: {
      KAFKA_BROKERS: `127.0.0.1:${kafkaProxyPort}`,
      REDIS_URL: `redis://127.0.0.1:${redisProxyPort}`,
    },
    restore: async () => {
      kafka.resume();
      redis.resume();
      await Promise.all([kafkaProxy.restore(), redisProxy.restore()]);
    },
    stop: async () => {
      await Promise.all([kafkaProxy.close(), redisProxy.close()]);
      await Promise.all([kafka.stop(), redis.stop()]);
    },
  };
}
