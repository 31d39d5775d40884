import { TallymanError } from '../../lib/errors';
import { brokerClockSkew } from '../../kafka/checks/broker-time';
import type { KafkaClient } from '../../kafka/client';
import { redisClockSkews } from '../../redis/clock';
import type { Store } from '../../redis/store';

/** More than an unsynchronised clock drifts in months, and less than any sensible grace period. */
const SKEW_MAX_MS = 5 * 60_000;

/**
 * Compares this machine's clock with those of Kafka and Redis. A clock that is ahead would close a
 * month that is not over.
 *
 * @throws TallymanError `CLOCK_SKEW`
 */
export async function checkClocks(kafka: KafkaClient, store: Store, prefix: string): Promise<void> {
  const [ofKafka, ofRedis] = await Promise.all([brokerClockSkew(kafka, prefix), redisClockSkews(store)]);
  const farthest = ofRedis.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a), 0);
  if (Math.max(Math.abs(ofKafka ?? 0), Math.abs(farthest)) <= SKEW_MAX_MS) return;
  const nowMs = Date.now();
  const at = (skewMs: number): string => new Date(nowMs + Math.round(skewMs)).toISOString();
  const clocks = {
    machine: at(0),
    kafka: ofKafka === undefined ? 'unknown' : at(ofKafka),
    redis: at(farthest),
  };
  throw new TallymanError(
    'CLOCK_SKEW',
    `The clocks differ: this machine's is ${clocks.machine}, Kafka's ${clocks.kafka}, Redis's ${clocks.redis}. A close uses ` +
      "this machine's, so nothing was closed. Correct the wrong clock (NTP), then run the close again.",
    clocks,
  );
}
