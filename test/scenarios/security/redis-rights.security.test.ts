import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../../../src/dev/services/free-port';
import { codeBlocks } from '../../kit/code-blocks';
import { eventually } from '../../kit/eventually';
import { startProbed } from '../../kit/probed';
import { ownServices, type OwnServices } from '../../kit/servers/own-services';
import { startRedisCluster, type RedisCluster } from '../../kit/servers/redis-cluster';
import { installation, type Installation } from '../../kit/tallyman';
import { RECORDED_KEYS, recordedWebhooks, signatureOf } from '../../kit/usage/livekit-webhooks';

const PREFIX = 'acme';
/** The lines of the page, with the prefix and the password of this test. */
const users = codeBlocks('operating/security.md', 'redis')[0]!
  .replaceAll('~', `~${PREFIX}:`)
  .replaceAll('>PASSWORD', '>right')
  .trim()
  .split('\n')
  .map((line) => line.split(' '));
const now = new Date();
const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 2, 1)).toISOString().slice(0, 7);

let services: OwnServices;
let cluster: RedisCluster;
let folder: string;
let redis: Redis;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tallyman-redis-rights-'));
  [services, cluster] = await Promise.all([ownServices(), startRedisCluster()]);
  redis = new Redis(services.redisUrl);
  for (const [command, ...words] of users) await redis.call(command!, ...words);
  for (const { port } of cluster.nodes) {
    const node = new Redis(port);
    const [command, ...words] = users[0]!;
    await node.call(command!, ...words, '+cluster|slots', '+cluster|info', '+readonly');
    node.disconnect();
  }
}, 120_000);
afterAll(async () => {
  redis.disconnect();
  await Promise.all([services.stop(), cluster.stop()]);
  rmSync(folder, { recursive: true });
});

const as = (user: string, more: NodeJS.ProcessEnv = {}): Installation =>
  installation({
    KAFKA_BROKERS: services.brokers.join(','),
    REDIS_URL: services.redisUrl.replace('://', `://${user}:right@`),
    TALLYMAN_PREFIX: PREFIX,
    TALLYMAN_AUTH_SECRET: '0'.repeat(32),
    ...more,
  });

const event = (id: string): string =>
  JSON.stringify({
    ...{ specversion: '1.0', id, source: '/test', type: 'usage.session.v1', subject: 'acme' },
    ...{ time: `${month}-20T10:00:00Z`, data: { service: 'webrtc', durationMs: 70_000 } },
  });

/** The commands that Redis has been sent, `acl|whoami` for one with a second word. */
async function commandsOf(): Promise<Set<string>> {
  const stats = await redis.info('commandstats');
  return new Set([...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name]) => name!));
}

test('every verb works with exactly the commands of the page, and each of these is used', async () => {
  const writer = as('tallyman-writer');
  const reader = as('tallyman-reader');
  await redis.config('RESETSTAT');
  await writer.ok('init', '--partitions', '2');
  await writer.ok('projects', 'set', 'acme', '--plan', 'ship', '--from', `${month}-01`);
  const events = [event('1'), event('1'), event('2'), event('3')].join('\n');
  expect(await writer.run(['publish', '-'], events)).toMatchObject({ code: 0 });
  await writer.ok('consume', '--until-caught-up');
  // The index of ids is loaded by another process.
  expect(await writer.run(['publish', '-'], event('2'))).toMatchObject({ code: 0 });
  await writer.ok('consume', '--until-caught-up');
  await writer.ok('alerts', 'watch', '--once');
  await writer.ok('close', month, '--verify');
  for (const verb of ['invoices list', 'projects show acme', 'verify', 'projects list'])
    await writer.ok(...verb.split(' '));
  await writer.ok('verify', '--follow', '--once', '--state', join(folder, 'state'));
  expect((await writer.run(['doctor', '--json'])).stdout).not.toMatch(/CONFIG is refused|"level": "error"/);
  await writer.ok('rebuild', '--empty');
  for (const verb of [`totals acme --month ${month}`, 'keys acme', 'top --once', `explain acme-${month}`])
    await reader.ok(...verb.split(' '));
  for (const verb of [`show acme-${month}`, 'preview acme']) await reader.ok('invoices', ...verb.split(' '));
  await bridges();
  const server = await startProbed(writer, ['serve']);
  await server.becomes(200).finally(() => server.kill());
  const used = await commandsOf();
  const granted = users.flat().flatMap((word) => (word.startsWith('+') ? [word.slice(1)] : []));
  // For the number of an older invoice, and after a restart that nothing has followed.
  const rare = ['hvals', 'acl|whoami', 'acl|dryrun'];
  expect(granted.filter((command) => !used.has(command))).toEqual(rare);
}, 300_000);

test.each([
  ['init', 'tallyman-reader'],
  ['consume --until-caught-up', 'tallyman-reader'],
  ['rebuild --empty', 'tallyman-reader'],
  ['close', 'tallyman-reader'],
  ['totals acme', 'stranger'],
])(
  '%s as %s is refused in one line',
  async (words, user) => {
    const { code, stderr } = await as(user).run(words.split(' '));
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^tallyman: .*REDIS_URL.*\[REDIS_ACCESS\]\n$/m),
    ]);
    expect(stderr).not.toMatch(/^\s+at /m);
  },
  60_000,
);

test('on a cluster, the same rights are enough, and mistakes are named', async () => {
  const port = cluster.nodes[0]!.port;
  const on = (url: string): Installation => as('', { REDIS_URL: url, TALLYMAN_PREFIX: PREFIX });
  const right = on(`redis+cluster://tallyman-writer:right@127.0.0.1:${port}`);
  await right.ok('rebuild');
  expect(await right.json('totals', 'acme', '--month', month)).toMatchObject({
    totals: { 'session.webrtc': '360' },
  });
  const wrong = await on(`redis+cluster://tallyman-writer:wrong@127.0.0.1:${port}`).run(['totals', 'acme']);
  expect(wrong.stderr).toMatch(/^tallyman: .*REDIS_URL.*\[REDIS_ACCESS\]\n$/);
  const node = await on(`redis://tallyman-writer:right@127.0.0.1:${port}`).run(['rebuild', '--empty']);
  expect(node.code).toBe(1);
  expect(node.stderr).toMatch(/redis\+cluster:\/\/.*\[REDIS_IS_A_CLUSTER\]\n$/);
}, 120_000);

/** Both bridges keep in Redis what is open, and what they have counted. */
async function bridges(): Promise<void> {
  const [[key, secret]] = [...RECORDED_KEYS] as [[string, string]];
  const port = await freePort();
  const bridge = await startProbed(as('tallyman-writer'), ['bridge', 'livekit', '--watch'], {
    ...{ TALLYMAN_PORT: String(port), LIVEKIT_API_KEY: key, LIVEKIT_API_SECRET: secret },
    LIVEKIT_URL: 'http://127.0.0.1:1',
  });
  try {
    await bridge.becomes(200);
    for (const { body } of recordedWebhooks().get('webhooks/blink.json')!) {
      const answer = await fetch(`http://127.0.0.1:${port}/livekit/webhooks`, {
        ...{ method: 'POST', body },
        headers: { authorization: signatureOf(body), 'content-type': 'application/webhook+json' },
      });
      expect(answer.status).toBe(200);
    }
    await eventually(async () => (await commandsOf()).has('srem'), {
      ...{ timeoutMs: 60_000, what: 'a session is open, and ends' },
    });
  } finally {
    await bridge.kill();
  }
}
