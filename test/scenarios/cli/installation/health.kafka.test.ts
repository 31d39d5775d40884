import { once } from 'node:events';
import { freePort } from '../../../../src/dev/services/free-port';
import { startNativeRedis } from '../../../../src/dev/services/native-redis';
import type { NativeService } from '../../../../src/dev/services/service';
import type { Health } from '../../../../src/ingest/health/check-health';
import { openStore } from '../../../../src/redis/store';
import { beginRebuild } from '../../../../src/redis/rebuilding';
import { createWorkload } from '../../../../src/oracle/workload';
import { eventually } from '../../../kit/eventually';
import { publishNext } from '../../../kit/kafka/publish-next';
import { startProbed } from '../../../kit/probed';
import { testRedisUrl } from '../../../kit/services';
import { installation } from '../../../kit/tallyman';

let redis: NativeService;
beforeAll(async () => (redis = await startNativeRedis(() => undefined)));
afterAll(() => redis.stop());

test('readiness follows Redis: 503 while it is paused, 200 when it goes on, and a partition that waits meanwhile goes on', async () => {
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
    const month = new Date().toISOString().slice(0, 7);
    const workload = createWorkload({ seed: 1, month, projects: ['acme'], events: 100 });
    await publishNext(tallyman, workload, 100);
    await eventually(() => log.includes('waits for Redis'), {
      timeoutMs: 60_000,
      what: 'a partition waits for Redis',
    });
    expect(log).toContain('REDIS_UNAVAILABLE');
    redis.resume();
    await eventually(() => log.includes('serves the partition again'), {
      timeoutMs: 60_000,
      what: 'the partition goes on',
    });
    await becomes(200);
    await eventually(() => log.includes('well again'), { what: 'well again' });
    consumer.kill('SIGTERM');
    const [code] = (await ended) as [number];
    expect(code).toBe(0);
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
