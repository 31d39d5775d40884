import { randomBytes } from 'node:crypto';

/** The brokers of this run's Kafka. */
export const testBrokers = (): string[] => fromSetup('TALLYMAN_TEST_BROKERS', '.kafka.test.ts').split(',');

/** The URL of this run's Redis. */
export const testRedisUrl = (): string =>
  fromSetup('TALLYMAN_TEST_REDIS_URL', '.redis.test.ts or .kafka.test.ts');

function fromSetup(name: string, suffix: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: a test file that needs it must be named *${suffix}`);
  return value;
}

/**
 * A TALLYMAN_PREFIX of its own for each test file, so that files share one Kafka and one Redis
 * without meeting.
 */
export const uniquePrefix = (): string => `t${randomBytes(5).toString('hex')}`;

export { eventually } from './eventually';
export { ownServices, type OwnServices } from './servers/own-services';
