import { once } from 'node:events';
import { freePort } from '../../../../src/dev/services/free-port';
import { startNativeRedis } from '../../../../src/dev/services/native-redis';
import type { NativeService } from '../../../../src/dev/services/service';
import type { Health } from '../../../../src/ingest/health/check-health';
import { openStore } from '../../../../src/redis/store';
import { beginRebuild } from '../../../../src/redis/rebuilding';
import { eventually } from '../../../kit/eventually';
import { startProbed } from '../../../kit/probed';
import { testRedisUrl } from '../../../kit/services';
import { installation } from '../../../kit/tallyman';

let redis: NativeService;
beforeAll(async () => (redis = await startNativeRedis(() => undefined)));
afterAll(() => redis.stop());

test('readiness follows Redis: 503 while it is paused, 200 when it goes on, and the end of the process if it does not', async () => {
  const port = await freePort();
  const tallyman = installation({
    REDIS_URL: `redis://${redis.address}`,
    TALLYMAN_HEALTH_PORT: String(port),
    LOG_LEVEL: 'info',
  });
  await tallyman.ok('init', '--partitions', '2');
  const consumer = tallyman.start('consume');
  let log = '';
  consumer.stderr?.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const ended = once(consumer, 'close');
  const ask = async (path: string): Promise<{ status: number; body: Health }> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`);
    return { status: answer.status, body: (await answer.json()) as Health };
  };
  const becomes = (status: number): Promise<Health> =>
    eventually(
      async () => {
        const answer = await ask('/readyz');
        return answer.status === status ? answer.body : undefined;
      },
      { timeoutMs: 60_000, what: `readyz answers ${status}` },
    );
  try {
    expect(await becomes(200)).toEqual({ ready: true, problems: [] });
    expect((await ask('/healthz')).status).toBe(200);
    expect((await ask('/nowhere')).status).toBe(404);

    redis.pause();
    const away = await becomes(503);
    expect(away.problems).toMatchObject([{ code: 'STORE_AWAY', subject: 'Redis' }]);
    await eventually(() => log.includes('STORE_AWAY'), { what: 'STORE_AWAY is logged' });
    redis.resume();
    // Back before a command timed out, or it ended: what it must not do is linger.
    const next = await Promise.race([becomes(200).then(() => 'ready'), ended.then(() => 'ended')]);
    if (next === 'ready') {
      await eventually(() => log.includes('well again'), { what: 'well again' });
      redis.pause();
    }
    const [code] = (await ended) as [number];
    expect(code).toBe(1);
    expect(log).toContain('REDIS_UNAVAILABLE');
  } finally {
    redis.resume();
    consumer.kill('SIGKILL');
    await ended;
  }
}, 180_000);

test('readiness of serve follows the ledgers and the rebuild: 503 while either is wrong, 200 after the remedy', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '2');
  await tallyman.ok('projects', 'set', 'acme', '--plan', 'ship');
  const store = await openStore({ url: testRedisUrl(), prefix: tallyman.prefix });
  const serve = await startProbed(tallyman, ['serve']);
  try {
    expect(await serve.becomes(200)).toEqual({ ready: true, problems: [] });

    const position = await store.redis.getset(store.keys.closesShown, '0 another-id run 0');
    const unseen = await serve.becomes(503);
    expect(unseen.problems).toMatchObject([
      {
        code: 'LEDGER_UNSEEN',
        subject: `${tallyman.prefix}.billing.closes`,
        detail: expect.stringContaining('its id was another-id'),
      },
    ]);
    await store.redis.set(store.keys.closesShown, position!);
    await serve.becomes(200);

    await beginRebuild(store, 2);
    const rebuilding = await serve.becomes(503);
    expect(rebuilding.problems).toMatchObject([{ code: 'REBUILD_UNFINISHED', subject: 'Redis' }]);
    await tallyman.ok('rebuild');
    expect(await serve.becomes(200)).toEqual({ ready: true, problems: [] });
  } finally {
    await serve.kill();
    await store.close();
  }
}, 180_000);
