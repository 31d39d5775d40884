import { logStart } from '../../../src/installation/log-start';
import type { Context } from '../../../src/installation/context';
import { readConfig } from '../../../src/lib/config';

test('the first line has the version and the settings, and no secret', () => {
  const lines: object[] = [];
  const config = readConfig({
    KAFKA_BROKERS: 'k1:9092,k2:9092',
    KAFKA_SASL_MECHANISM: 'plain',
    KAFKA_SASL_USERNAME: 'counter',
    KAFKA_SASL_PASSWORD: 'hidden-1',
    REDIS_URL: 'rediss://me:hidden-2@r1:6379,rediss://me:hidden-3@r2:6379',
    TALLYMAN_AUTH_SECRET: 'hidden-4'.repeat(8),
    LIVEKIT_KEYS: 'key: hidden-5',
  });
  const logger = { info: (fields: object, text: string) => lines.push({ ...fields, text }) };
  logStart({ config, logger } as unknown as Context, 'consume', '1.2.3 (abc)', {
    watches: ['usage.session'],
  });
  expect(lines).toEqual([
    expect.objectContaining({
      ...{ text: 'starting', verb: 'consume', version: '1.2.3 (abc)', billingZone: 'UTC' },
      kafka: { brokers: ['k1:9092', 'k2:9092'], tls: false, sasl: 'plain', username: 'counter' },
      redis: 'rediss://me:***@r1:6379,rediss://me:***@r2:6379',
      watches: ['usage.session'],
      limits: { futureMs: 3_600_000, pastMs: 34_560_000_000, durationMs: 2_678_400_000 },
    }),
  ]);
  expect(JSON.stringify(lines)).not.toContain('hidden');
});
