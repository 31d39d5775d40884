import { TallymanError } from '../../lib/errors';
import { brokerClockSkew } from '../../kafka/checks/broker-time';
import type { KafkaClient } from '../../kafka/client';
import { redisClockSkews } from '../../redis/clock';
import type { Store } from '../../redis/store';

/** More than what an unsynchronised clock drifts in months, and less than any grace period that makes sense. */
const SKEW_MAX_MS = 5 * 60_000;

/**
 * Compares this machine's clock with those of Kafka and Redis. A clock that is ahead would close a month that still runs.
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
    `The clocks differ: this machine says ${clocks.machine}, Kafka ${clocks.kafka}, Redis ${clocks.redis}. A close goes by ` +
      "this machine's, so nothing was closed. Set the wrong clock (NTP) and run the close again.",
    clocks,
  );
}
