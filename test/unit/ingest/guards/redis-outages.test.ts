import { TallymanError } from '../../../../src/lib/errors';
import { RedisOutages } from '../../../../src/ingest/guards/redis-outages';
import { refusalOf } from '../../../../src/redis/redis-errors';

const away = new TallymanError('REDIS_UNAVAILABLE', 'away');
const MINUTE_MS = 60_000;

test('a partition waits for Redis, in longer and longer pauses, for five minutes', () => {
  const outages = new RedisOutages();
  const pauses = [0, 1, 2, 3, 4, 5].map((second) => outages.pauseAfter(3, away, second * 1_000));
  expect(pauses).toEqual([200, 400, 800, 1_600, 2_000, 2_000]);
  expect(outages.pauseAfter(3, away, 5 * MINUTE_MS)).toBe(2_000);
  expect(outages.pauseAfter(3, away, 5 * MINUTE_MS + 1)).toBeUndefined();
});

test('each partition has its own outage, which ends when Redis serves it or it is assigned again', () => {
  const outages = new RedisOutages();
  for (const partition of [1, 2, 3]) outages.pauseAfter(partition, away, 0);
  expect([outages.end(1), outages.end(1), outages.end(4)]).toEqual([true, false, false]);
  expect(outages.pauseAfter(1, away, 6 * MINUTE_MS)).toBe(200);
  expect(outages.pauseAfter(2, away, 6 * MINUTE_MS)).toBeUndefined();
  outages.clear();
  expect(outages.pauseAfter(3, away, 6 * MINUTE_MS)).toBe(200);
});

test.each([
  ['TRYAGAIN Multiple keys request during rehashing of slot', true],
  ['Too many Cluster redirections. Last error: ReplyError: TRYAGAIN Multiple keys request', true],
  ['Too many Cluster redirections. Last error: ReplyError: CLUSTERDOWN Hash slot not served', true],
  ["READONLY You can't write against a read only replica.", true],
  ['LOADING Redis is loading the dataset in memory', true],
  ["OOM command not allowed when used memory > 'maxmemory'.", false],
  ['NOPERM this user has no permissions', false],
  ['MOVED 5649 127.0.0.1:7001', false],
])('%s: waits %s', (text, waits) => {
  const error = refusalOf('redis', new Error(text));
  expect(new RedisOutages().pauseAfter(0, error, 0) !== undefined).toBe(waits);
});

test('an answer that is not understood does not wait', () => {
  expect(new RedisOutages().pauseAfter(0, new Error('WRONGTYPE'), 0)).toBeUndefined();
});
