import { refusalOf, RedisUnavailableError } from '../../../src/redis/redis-errors';

const ADDRESS = 'redis://127.0.0.1:6379';

test.each([
  ["OOM command not allowed when used memory > 'maxmemory'.", 'REDIS_OUT_OF_MEMORY'],
  ['MISCONF Errors writing to the AOF file: No space left on device', 'REDIS_CANNOT_PERSIST'],
  ['LOADING Redis is loading the dataset in memory', 'REDIS_LOADING'],
  ["READONLY You can't write against a read only replica.", 'REDIS_READ_ONLY'],
  ['NOAUTH Authentication required.', 'REDIS_ACCESS'],
  ['Ready check failed: NOAUTH Authentication required.', 'REDIS_ACCESS'],
  ['WRONGPASS invalid username-password pair or user is disabled.', 'REDIS_ACCESS'],
  ["NOPERM this user has no permissions to run the 'evalsha' command", 'REDIS_ACCESS'],
  ['CLUSTERDOWN Hash slot not served', 'REDIS_CLUSTER_DOWN'],
  [
    'Too many Cluster redirections. Last error: ReplyError: CLUSTERDOWN The cluster is down',
    'REDIS_CLUSTER_DOWN',
  ],
  ["MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", 'REDIS_MASTER_DOWN'],
  ['NOREPLICAS Not enough good replicas to write.', 'REDIS_NO_REPLICAS'],
  ['MOVED 3999 127.0.0.1:6381', 'REDIS_IS_A_CLUSTER'],
  ['BUSY Redis is busy running a script.', 'REDIS_BUSY'],
])('%s', (text, code) => {
  const refusal = refusalOf(ADDRESS, new Error(text));
  expect(refusal?.code).toBe(code);
  expect(refusal?.message).toMatch(/^Redis at redis:\/\/127\.0\.0\.1:6379 .*[^.]\. .+[^.]\.$/);
  expect(refusal?.message).not.toContain('\n');
});

test.each(['WRONGTYPE Operation against a key', 'ERR unknown command', 'connect ECONNREFUSED', 'OOMPH', ''])(
  '"%s" is not a known refusal',
  (text) => expect(refusalOf(ADDRESS, new Error(text))).toBeUndefined(),
);

test('a Redis that does not answer says what to check', () => {
  const error = new RedisUnavailableError(ADDRESS, new Error('connect ECONNREFUSED 127.0.0.1:6379'));
  expect(error.code).toBe('REDIS_UNAVAILABLE');
  expect(error.message).toContain('Check REDIS_URL');
});
