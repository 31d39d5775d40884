import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createProgram } from '../../../src/cli/program';
import { settingsTable } from '../../../src/dev/settings-page';
import { readConfig } from '../../../src/lib/config';
import { hidePassword } from '../../../src/lib/setting-kinds';
import { SETTINGS, type Setting } from '../../../src/lib/settings-table';

function problemsOf(env: NodeJS.ProcessEnv): string {
  try {
    readConfig(env);
    return '';
  } catch (error) {
    expect(error).toMatchObject({ code: 'BAD_CONFIG', exit: 2 });
    return (error as Error).message;
  }
}

test('an empty environment gives the documented defaults', () => {
  expect(readConfig({})).toEqual({
    kafka: { brokers: ['127.0.0.1:9092'], clientId: 'tallyman' },
    redisUrl: 'redis://127.0.0.1:6379',
    redisTls: {},
    prefix: '',
    catalogPath: undefined,
    sellerPath: undefined,
    billingZone: 'UTC',
    rounding: 'per-minute',
    limits: { futureMs: 3_600_000, pastMs: 400 * 86_400_000, durationMs: 31 * 86_400_000 },
    keepClosedMs: 400 * 86_400_000,
    health: { host: '127.0.0.1', port: undefined, stuckAfterMs: 60_000 },
    logLevel: 'info',
    web: { host: '127.0.0.1', port: 8080, authSecret: undefined, trustProxy: false, corsOrigins: [] },
    livekit: {
      keys: new Map(),
      mappingPath: undefined,
      url: undefined,
      sessionLimitMs: 86_400_000,
      spoolFolder: undefined,
      spoolBytesMax: 256 * 1_048_576,
    },
  });
});

test('a closed month stays in Redis as long as late usage may be, unless a setting says otherwise', () => {
  expect(readConfig({ TALLYMAN_PAST_LIMIT: '90d' }).keepClosedMs).toBe(90 * 86_400_000);
  const both = { TALLYMAN_PAST_LIMIT: '90d', TALLYMAN_KEEP_CLOSED: '1d' };
  expect(readConfig(both).keepClosedMs).toBe(86_400_000);
});

test('every problem is named at once', () => {
  const message = problemsOf({
    KAFKA_BROKERS: 'good:9092,bad',
    REDIS_URL: 'http//nowhere at all',
    TALLYMAN_PREFIX: 'a{b}',
    TALLYMAN_BILLING_ZONE: 'Mars/Base',
    TALLYMAN_ROUNDING: 'per-hour',
    TALLYMAN_FUTURE_LIMIT: 'soon',
    KAFKA_SASL_MECHANISM: 'plain',
    KAFKA_SSL_CERT: '/does/not/exist',
    LOG_LEVEL: 'loud',
    TALLYMAN_AUTH_SECRET: 'x'.repeat(31),
    TALLYMAN_PORT: '65536',
  });
  for (const name of [
    'KAFKA_BROKERS',
    'REDIS_URL',
    'TALLYMAN_PREFIX',
    'TALLYMAN_BILLING_ZONE',
    'TALLYMAN_ROUNDING',
    'TALLYMAN_FUTURE_LIMIT',
    'KAFKA_SASL_PASSWORD',
    'KAFKA_SSL_CERT',
    'LOG_LEVEL',
    'TALLYMAN_AUTH_SECRET has 31 bytes',
    'TALLYMAN_PORT',
  ]) {
    expect(message).toContain(name);
  }
});

test.each([
  ['KAFKA_BROKERS', 'a:1,b:2'],
  ['KAFKA_BROKERS', '[::1]:9092'],
  ['REDIS_URL', 'redis://user:secret@host:6379/3'],
  ['REDIS_URL', 'redis://a:1,redis://b:2'],
  ['REDIS_URL', 'redis+cluster://a:1'],
  ['TALLYMAN_PREFIX', 'acme-eu_1'],
  ['TALLYMAN_BILLING_ZONE', 'America/New_York'],
  ['TALLYMAN_CORS_ORIGINS', 'https://app.example.com, http://localhost:3000'],
])('%s may be %s', (name, value) => {
  expect(problemsOf({ [name]: value })).toBe('');
});

test.each([
  '*',
  'null',
  'https://*.example.com',
  'https://app.example.com/',
  'app.example.com',
  'https://a.b/c',
])('an origin that scripts may come from is exact, not %s', (origin) => {
  expect(problemsOf({ TALLYMAN_CORS_ORIGINS: `https://good.example, ${origin}` })).toContain(
    `TALLYMAN_CORS_ORIGINS holds "${origin}": use exact origins`,
  );
});

test('TLS and SASL by the usual names', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-config-'));
  const ca = join(folder, 'ca.pem');
  const pem = '-----BEGIN CERTIFICATE-----';
  writeFileSync(ca, pem);
  const { kafka } = readConfig({
    KAFKA_SSL_CA: ca,
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_SASL_USERNAME: 'me',
    KAFKA_SASL_PASSWORD: 'secret',
  });
  const { redisTls } = readConfig({ REDIS_URL: 'rediss://a', REDIS_TLS_CA: ca });
  const plain = problemsOf({ REDIS_URL: 'redis://a', REDIS_TLS_CA: ca });
  rmSync(folder, { recursive: true });
  expect(redisTls).toEqual({ ca: pem });
  expect(plain).toContain('REDIS_URL does not ask for TLS');
  expect(kafka).toMatchObject({
    ssl: { ca: pem },
    sasl: { mechanism: 'scram-sha-512', username: 'me', password: 'secret' },
  });
});

test('a password does not reach a log', () => {
  expect(hidePassword('redis://user:secret@host:6379')).toBe('redis://user:***@host:6379');
});

test.each([
  ['TALLYMAN_PREFX', 'TALLYMAN_PREFIX'],
  ['TALLYMAN_PREIFX', 'TALLYMAN_PREFIX'],
  ['KAFKA_BROKER', 'KAFKA_BROKERS'],
  ['REDIS_URI', 'REDIS_URL'],
  ['LOG_LEVELS', 'LOG_LEVEL'],
])('%s is named as a misspelt %s, unless that is set too', (misspelt, meant) => {
  expect(() => readConfig({ [misspelt]: 'x' })).toThrow(
    `${misspelt} is not a setting: did you mean ${meant}?`,
  );
  const value = { KAFKA_BROKERS: 'a:1', REDIS_URL: 'redis://a', LOG_LEVEL: 'info' }[meant] ?? 'x';
  expect(() => readConfig({ [misspelt]: 'x', [meant]: value })).not.toThrow();
});

test('names of others are left alone', () => {
  expect(() => readConfig({ KAFKA_HOME: '/opt/kafka', REDIS_HOST: 'a', TALLYMAN_IMAGE: 'b' })).not.toThrow();
});

test('the documentation holds the table of settings as it is', () => {
  expect(readFileSync('docs/operating/settings.md', 'utf8')).toContain(settingsTable());
});

test('a secret is never part of a problem', () => {
  const secret = 'hunter2:hunter2';
  const env = Object.fromEntries(
    Object.entries<Setting<unknown>>(SETTINGS).map(([name, { secret: hidden }]) => [
      name,
      hidden ? secret : '',
    ]),
  );
  const message = problemsOf({ ...env, REDIS_URL: 'redis://me:hunter2@host:port' });
  expect(message).toContain('REDIS_URL');
  expect(message).toContain('TALLYMAN_AUTH_SECRET');
  expect(message).not.toContain('hunter2');
});

test('the settings name verbs that exist, and each verb shows in its help what it reads', () => {
  const verbs = createProgram().commands;
  const named = Object.values<Setting<unknown>>(SETTINGS).flatMap(({ verbs: names }) => names);
  expect(named.filter((name) => !verbs.some((verb) => verb.name() === name))).toEqual([]);
  const token = verbs.find((verb) => verb.name() === 'token')!;
  let help = '';
  token.configureOutput({ writeOut: (part) => (help += part) });
  token.outputHelp();
  const [, settings = ''] = help.split('(`tallyman --help` describes them):');
  expect(settings).toMatch(/^\n {2}KAFKA_BROKERS [^]*\sTALLYMAN_AUTH_SECRET\s+LOG_LEVEL\n$/);
  expect(settings).not.toContain('REDIS_URL');
});

test.each([
  [{ KAFKA_SASL_MECHANISM: 'plain' }, 'set KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD too'],
  [{ KAFKA_SASL_USERNAME: 'me' }, 'set KAFKA_SASL_MECHANISM too'],
  [{ LIVEKIT_API_KEY: 'key' }, 'set LIVEKIT_API_SECRET too'],
  [{ KAFKA_SSL_KEY: 'package.json' }, 'set KAFKA_SSL_CERT too'],
  [{ KAFKA_SSL_CA: 'package.json' }, 'KAFKA_SSL_CA names "package.json", which is not PEM'],
  [
    { KAFKA_SSL_CA: '/dev/zero' },
    'KAFKA_SSL_CA names "/dev/zero", which cannot be read: it is not a regular file',
  ],
  [{ KAFKA_BROKERS: 'a:65536' }, 'KAFKA_BROKERS holds "a:65536"'],
  [{ REDIS_TLS_KEY: 'package.json' }, 'set REDIS_TLS_CERT too'],
  [{ REDIS_URL: 'redis://a,redis://b/2' }, 'REDIS_URL holds the database 2'],
  [{ REDIS_URL: 'redis+cluster://a:1/15' }, 'REDIS_URL holds the database 15'],
  [{ REDIS_URL: 'redis+sentinel://a:1/mymaster' }, 'REDIS_URL names a Sentinel, which is not supported'],
  [{ REDIS_URL: 'redis://a:70000/1' }, 'REDIS_URL holds "redis://a:70000/1"'],
])('%j is refused: %s', (env, problem) => {
  expect(problemsOf(env)).toContain(problem);
});
