import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { dependencies } from '../../../../package.json';
import { monthOf } from '../../../../src/rating/month';
import { initCursor } from '../../../../src/redis/cursors';
import { writeShardCount } from '../../../../src/redis/usage/read-usage';
import { openStore } from '../../../../src/redis/store';
import { testRedisUrl, uniquePrefix } from '../../../kit/services';

const CLI = join(__dirname, '../../../../dist/src/cli/tallyman.js');
const TELL_LOADED = join(__dirname, '../../../kit/tell-loaded.js');
const prefix = uniquePrefix();

/** Of our own dependencies; what these load in turn is their affair. */
function loadedBy(words: readonly string[]): string[] {
  const env = {
    PATH: process.env['PATH'],
    REDIS_URL: testRedisUrl(),
    TALLYMAN_PREFIX: prefix,
    TALLYMAN_AUTH_SECRET: 'a secret of the tests, longer than 32 bytes',
  };
  const { status, stderr } = spawnSync(process.execPath, ['-r', TELL_LOADED, CLI, ...words], {
    env,
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: expect.stringMatching(/^\[.*\]$/) });
  return (JSON.parse(stderr) as string[]).filter((name) => name in dependencies).sort();
}

beforeAll(async () => {
  const store = await openStore({ url: testRedisUrl(), prefix });
  await writeShardCount(store, 1);
  await initCursor(store, 0, 'usage.session', 0);
  const month = monthOf(new Date().toISOString());
  await store.redis.hset(store.keys.totals(0, month, 'acme'), 'agent.session', '60');
  await store.close();
});

test.each(['totals acme', 'keys acme'])('%s loads what Redis takes, and nothing else', (line) => {
  expect(loadedBy(line.split(' '))).toEqual(['commander', 'ioredis', 'xxhash-wasm']);
});

test('token loads neither server nor clients', () => {
  expect(loadedBy(['token', 'acme', '--role', 'admin'])).toEqual(['commander', 'fast-jwt']);
});

test('help, which loads every verb, compiles no schema and loads neither server nor fonts', () => {
  const loaded = loadedBy(['--help']);
  expect(loaded).toContain('kafkajs');
  expect(loaded.filter((name) => ['ajv', 'fastify', 'pdfkit'].includes(name))).toEqual([]);
});
