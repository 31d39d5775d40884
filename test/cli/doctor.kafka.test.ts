import { startNativeRedis } from '../../src/local/native-redis';
import { installation } from '../support/tallyman';
import { Redis } from 'ioredis';

interface Findings {
  readonly findings: readonly { level: string; subject: string; problem: string; remedy: string }[];
}

test('doctor finds what endangers usage, and says what to type', async () => {
  const own = await startNativeRedis(() => undefined);
  const redis = new Redis(own.port);
  try {
    const tallyman = installation({ REDIS_URL: `redis://127.0.0.1:${own.port}` });
    const examine = async () => {
      const { code, stdout } = await tallyman.run(['doctor', '--json']);
      return { code, findings: (JSON.parse(stdout) as Findings).findings };
    };
    const missing = await examine();
    expect(missing.code).toBe(1);
    expect(missing.findings).toContainEqual(
      expect.objectContaining({ level: 'error', remedy: 'tallyman init' }),
    );

    await tallyman.ok('init', '--partitions', '2', '--retention-days', '7');
    const fresh = await examine();
    expect(fresh.code).toBe(0); // A single test broker and a short retention are warnings.
    expect(fresh.findings.map(({ problem }) => problem).join()).toContain('keeps events for 7 days');

    await redis.config('SET', 'maxmemory-policy', 'allkeys-lru');
    await redis.config('SET', 'appendonly', 'no');
    await redis.config('SET', 'set-max-intset-entries', '128');
    await redis.hset(`${tallyman.prefix}:usage:{1}:cursor`, `${tallyman.prefix}.usage.agent`, 1_000);
    await redis.hdel(`${tallyman.prefix}:usage:{0}:cursor`, `${tallyman.prefix}.usage.session`);
    const broken = await examine();
    expect(broken.code).toBe(1);
    const text = broken.findings.map(({ subject, problem }) => `${subject} ${problem}`).join('\n');
    for (const expected of [
      'maxmemory-policy is allkeys-lru',
      'appendonly is off',
      'set-max-intset-entries is 128',
      'usage.agent/1',
      'usage.session/0 Redis holds no cursor',
    ]) {
      expect(text).toContain(expected);
    }
  } finally {
    redis.disconnect();
    await own.stop();
  }
});
