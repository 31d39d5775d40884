import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { testRedisUrl } from '../../../kit/services';
import { installation } from '../../../kit/tallyman';

/** A server that accepts connections and never answers, as one that hangs does. */
let silent: Server;
let address: string;
let stateDir: string;
const sockets: Socket[] = [];

beforeAll(async () => {
  stateDir = mkdtempSync(join(tmpdir(), 'tallyman-'));
  silent = createServer((socket) => void sockets.push(socket.on('error', () => undefined)));
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  address = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
});
afterAll(async () => {
  for (const socket of sockets) socket.destroy();
  await once(silent.close(), 'close');
  rmSync(stateDir, { recursive: true });
});

/** The first line names the version, the settings and what is watched. */
const START_LINE = /"version":"[^"]+".*"msg":"starting"/;

/** Sends a signal as soon as the verb's start has begun. */
async function stopAtStart(
  signal: NodeJS.Signals,
  words: readonly string[],
  env: NodeJS.ProcessEnv = { KAFKA_BROKERS: address, REDIS_URL: testRedisUrl() },
): Promise<{ code: number | null; signal: NodeJS.Signals | null; log: string }> {
  const child = installation({
    ...{ LOG_LEVEL: 'debug', TALLYMAN_AUTH_SECRET: 's'.repeat(32), TALLYMAN_PORT: '0' },
    ...{ LIVEKIT_API_KEY: 'key', LIVEKIT_API_SECRET: 'secret' },
    ...env,
  }).start(...words);
  let log = '';
  let isSent = false;
  child.stderr!.on('data', (chunk: Buffer) => {
    log += chunk.toString();
    if (isSent || !START_LINE.test(log)) return;
    isSent = true;
    child.kill(signal);
  });
  const [code, endedBy] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal: endedBy, log };
}

test.each([
  [0, 'SIGTERM', ['consume']],
  [0, 'SIGINT', ['consume', 'session']],
  [130, 'SIGTERM', ['consume', '--until-caught-up']],
  [0, 'SIGTERM', ['serve']],
  [0, 'SIGTERM', ['alerts', 'watch']],
  [130, 'SIGTERM', ['alerts', 'watch', '--once']],
  [0, 'SIGTERM', ['verify', '--follow']],
  [130, 'SIGTERM', ['verify', '--follow', '--once']],
] as const)('Kafka hangs: exit code %i on %s for %j', async (code, signal, words) => {
  const state = words[0] === 'verify' ? ['--state', stateDir] : [];
  const end = await stopAtStart(signal, [...words, ...state]);
  expect(end).toMatchObject({ code, signal: null });
  expect(end.log).toContain('"msg":"stopped while starting"');
});

test.each([
  ['bridge livekit --watch'],
  ['bridge livekit-transfer --project acme http://127.0.0.1:1/metrics'],
  ['consume'],
])('Redis hangs: %s stops in good order', async (words) => {
  const env = { KAFKA_BROKERS: address, REDIS_URL: `redis://${address}` };
  const end = await stopAtStart('SIGTERM', words.split(' '), env);
  expect(end).toMatchObject({ code: 0, signal: null });
  expect(end.log).toContain('"msg":"stopped while starting"');
});

test.each([
  [0, null, 'consume'],
  [0, null, 'verify --follow'],
  [0, null, 'close --every 1h'],
  [null, 'SIGTERM', 'consume --until-caught-up'],
  [null, 'SIGTERM', 'totals acme'],
  [null, 'SIGINT', 'close'],
])('stopped while it loads: exit code %s, signal %s for %s', async (code, signal, words) => {
  const NODE_OPTIONS = `--require ${join(__dirname, '../../../kit/stop-at-load.js')}`;
  const env = { NODE_OPTIONS, KAFKA_BROKERS: address, STOP_SIGNAL: signal ?? 'SIGTERM' };
  const child = installation(env).start(...words.split(' '));
  let output = '';
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (text) => (output += String(text)));
  expect(await once(child, 'close')).toEqual([code, signal]);
  expect(output).toBe('');
});

test('the gateway, whose start waits for no server, stops in good order too', async () => {
  expect(await stopAtStart('SIGTERM', ['gateway'])).toMatchObject({ code: 0, signal: null });
});
