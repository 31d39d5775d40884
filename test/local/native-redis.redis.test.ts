import Redis from 'ioredis';
import { testRedisUrl } from '../support/services';

test('the run has a Redis', async () => {
  const redis = new Redis(testRedisUrl());
  expect(await redis.ping()).toBe('PONG');
  await redis.quit();
});
