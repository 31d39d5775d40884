import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import Redis from 'ioredis';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import { redisAnswers } from '../../../src/dev/services/redis-ping';
import type { NativeService } from '../../../src/dev/services/service';
import { isAlive } from '../../kit/is-alive';
import { testRedisUrl } from '../../kit/services';

const started: NativeService[] = [];
const start = async (): Promise<NativeService> => {
  const redis = await startNativeRedis(() => undefined);
  started.push(redis);
  return redis;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((redis) => redis.stop()));
});

const withClient = async <T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> => {
  const redis = new Redis(url);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
};

test('is set up so that nothing counted is lost: append-only file, no eviction, loopback only', async () => {
  const { address } = await start();
  await withClient(`redis://${address}`, async (redis) => {
    const settings = await redis.config(
      'GET',
      'appendonly',
      'appendfsync',
      'maxmemory-policy',
      'bind',
      'save',
    );
    const pairs = Object.fromEntries(
      (settings as string[]).flatMap((name, index, all) => (index % 2 === 0 ? [[name, all[index + 1]]] : [])),
    );
    expect(pairs).toEqual({
      appendonly: 'yes',
      appendfsync: 'everysec',
      'maxmemory-policy': 'noeviction',
      bind: '127.0.0.1',
      save: '',
    });
  });
});

test.each(['SIGKILL', 'SIGTERM'] as const)(
  'keeps its data, address and folder over %s and restart',
  async (signal) => {
    const redis = await start();
    const { address, dataDir, pid } = redis;
    await withClient(`redis://${address}`, (client) => client.set('key', 'value'));

    await redis.kill(signal);
    expect(isAlive(pid)).toBe(false);
    expect(await redisAnswers(redis.port)).toBe(false);

    await redis.restart();
    expect(redis).toMatchObject({ address, dataDir });
    expect(redis.pid).not.toBe(pid);
    expect(await withClient(`redis://${address}`, (client) => client.get('key'))).toBe('value');
  },
);

test('does not answer while it is paused, and answers again', async () => {
  const redis = await start();
  redis.pause();
  expect(await redisAnswers(redis.port)).toBe(false);
  redis.resume();
  expect(await redisAnswers(redis.port)).toBe(true);
});

test('stop leaves neither process nor folder, also of a paused one and twice', async () => {
  const redis = await start();
  redis.pause();
  await redis.stop();
  await redis.stop();
  expect(isAlive(redis.pid)).toBe(false);
  expect(existsSync(dirname(redis.dataDir))).toBe(false);
});

test("runs beside another and beside the run's own", async () => {
  const urls = [
    testRedisUrl(),
    ...(await Promise.all([start(), start()])).map(({ address }) => `redis://${address}`),
  ];
  const runIds = await Promise.all(urls.map((url) => withClient(url, (redis) => redis.info('server'))));
  expect(new Set(runIds.map((info) => /run_id:(\w+)/.exec(info)?.[1])).size).toBe(3);
});
