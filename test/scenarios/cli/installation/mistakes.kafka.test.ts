import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { exec } from 'node:child_process';
import { promisify } from 'node:util';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigResourceTypes } from 'kafkajs';
import { openKafka } from '../../../../src/kafka/client';
import { quietLog } from '../../../kit/kafka/kafka-harness';
import { CLI, installation, type Answer } from '../../../kit/tallyman';
import { testBrokers, testRedisUrl } from '../../../kit/services';

const redisPort = new URL(testRedisUrl()).port;
const tallyman = installation();
const secret = { TALLYMAN_AUTH_SECRET: 'x'.repeat(32) };
let folder: string;
let silent: Server;
let silentPort: number;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'mistakes-'));
  writeFileSync(
    join(folder, 'latin1.csv'),
    Buffer.from('project,plan,from,name\nacme,ship,2026-10-01,M\xfcller\n', 'latin1'),
  );
  silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  silentPort = (silent.address() as AddressInfo).port;
  await tallyman.ok('init');
}, 120_000);

afterAll(() => {
  silent.close();
  rmSync(folder, { recursive: true });
});

/** One line for people, or a list of problems under it, which ends with a code; never a stack. */
function expectHelp({ stderr, stdout }: Answer, code: string, text: string): void {
  expect(stderr + stdout).not.toMatch(/^\s+at .*:\d+:\d+\)?$/m);
  expect(stderr).toContain(`[${code}]`);
  expect(stderr).toContain(text);
}

type Mistake = readonly [words: string, env: NodeJS.ProcessEnv, exit: number, code: string, text: string];

const mistakes: Mistake[] = [
  ['init', { KAFKA_BROKERS: '127.0.0.1:1' }, 1, 'KAFKA_UNAVAILABLE', 'KAFKA_BROKERS'],
  ['init', { KAFKA_BROKERS: 'no.such.host.invalid:9092' }, 1, 'KAFKA_UNAVAILABLE', 'KAFKA_BROKERS'],
  ['init', { KAFKA_BROKERS: `127.0.0.1:${redisPort}` }, 1, 'KAFKA_UNAVAILABLE', 'KAFKA_BROKERS'],
  [
    'init',
    { KAFKA_BROKERS: 'a:65536', KAFKA_BROKER: 'a:1' },
    2,
    'BAD_CONFIG',
    'KAFKA_BROKERS holds "a:65536"',
  ],
  ['init', { KAFKA_SSL: 'true' }, 1, 'KAFKA_UNAVAILABLE', 'unset KAFKA_SSL'],
  [
    'init',
    { KAFKA_SASL_MECHANISM: 'plain', KAFKA_SASL_USERNAME: 'a', KAFKA_SASL_PASSWORD: 'b' },
    1,
    'KAFKA_UNAVAILABLE',
    'unset KAFKA_SASL_MECHANISM',
  ],
  ['totals acme', { REDIS_URL: 'redis://127.0.0.1:1' }, 1, 'REDIS_UNAVAILABLE', 'REDIS_URL'],
  ['totals acme', { REDIS_URL: `redis://${testBrokers()[0]}` }, 1, 'REDIS_UNAVAILABLE', 'REDIS_URL'],
  ['totals acme', { REDIS_URL: `${testRedisUrl()}/999` }, 1, 'REDIS_REFUSED', 'REDIS_URL'],
  [
    'totals acme',
    { REDIS_URL: testRedisUrl().replace('://', '://nobody:wrong@') },
    1,
    'REDIS_ACCESS',
    'REDIS_URL',
  ],
  ['serve', { ...secret, TALLYMAN_PORT: redisPort }, 1, 'PORT_TAKEN', 'TALLYMAN_PORT'],
  ['serve', {}, 2, 'AUTH_SECRET_MISSING', 'TALLYMAN_AUTH_SECRET'],
  ['close', { TALLYMAN_CATALOG: '/tmp' }, 2, 'BAD_CATALOG', 'it is a folder'],
  ['close', { TALLYMAN_SELLER: '/none' }, 2, 'BAD_SELLER', 'TALLYMAN_SELLER'],
  ['publish /none', {}, 2, 'NO_FILE', 'there is no such file'],
  ['publish /tmp', {}, 2, 'NO_FILE', 'it is a folder'],
  ['catalog init /none/catalog.json', {}, 1, 'FILE_UNUSABLE', '/none/catalog.json'],
  ['invoices preview nobody', {}, 1, 'NO_PROJECT', 'projects list'],
  ['close --verify', { TMPDIR: '/none' }, 2, 'NO_SCRATCH_SPACE', 'Set TMPDIR'],
  ['catalog show', { TALLYMAN_CATALOG: '/dev/zero' }, 2, 'BAD_CATALOG', 'not a regular file'],
  ['projects import /tmp', {}, 2, 'NO_FILE', 'it is a folder'],
  ['projects import /none', {}, 2, 'NO_FILE', 'there is no such file'],
  ['catalog init /tmp', {}, 1, 'FILE_UNUSABLE', '/tmp'],
  ['totals --all --json --output csv', {}, 2, 'BAD_ARGUMENTS', 'contradict each other'],
  ['projects set nobody --email a@b.example', {}, 1, 'BAD_PROJECT', '--plan'],
];

test.each(mistakes)(
  '%s with %j ends with %i and %s: %s',
  async (words, env, exit, code, text) => {
    const answer = await installation({ ...env, TALLYMAN_PREFIX: tallyman.prefix }).run(words.split(' '));
    expect(answer.code).toBe(exit);
    expectHelp(answer, code, text);
  },
  90_000,
);

test('each family of verbs names the setting of a server that is away', async () => {
  const away: [words: string, setting: 'KAFKA_BROKERS' | 'REDIS_URL'][] = [
    ['init', 'REDIS_URL'],
    ['rebuild --dry-run', 'REDIS_URL'],
    ['keys acme', 'REDIS_URL'],
    ['dead-letters list', 'KAFKA_BROKERS'],
    ['alerts watch --once', 'KAFKA_BROKERS'],
    ['verify --output csv', 'KAFKA_BROKERS'],
  ];
  await Promise.all(
    away.map(async ([words, setting]) => {
      const url = setting === 'REDIS_URL' ? 'redis://127.0.0.1:1' : '127.0.0.1:1';
      const answer = await installation({ [setting]: url, TALLYMAN_PREFIX: tallyman.prefix }).run(
        words.split(' '),
      );
      expect(answer.code).toBe(1);
      expectHelp(answer, setting === 'REDIS_URL' ? 'REDIS_UNAVAILABLE' : 'KAFKA_UNAVAILABLE', setting);
    }),
  );
}, 90_000);

test.each(['top --once', 'top --json', 'consume --until-caught-up', 'doctor', 'close'])(
  '%s before init names init',
  async (words) => {
    const answer = await installation().run(words.split(' '));
    expect(answer.code).toBe(1);
    expect(answer.stdout + answer.stderr).toContain('tallyman init');
    expect(answer.stdout + answer.stderr).not.toContain('UNAVAILABLE');
  },
  60_000,
);

test('topics that a producer brought into being before init: the commands that init prints make them right', async () => {
  const other = installation();
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' }, quietLog);
  const admin = await client.admin();
  const topic = `${other.prefix}.usage.agent`;
  // As a broker with auto.create.topics.enable creates it.
  await admin.createTopics({
    topics: [{ topic, numPartitions: 1, configEntries: [{ name: 'max.message.bytes', value: '1048588' }] }],
  });
  const event = {
    ...{ specversion: '1.0', id: 'early', source: '/agents', type: 'usage.agent.v1', subject: 'acme' },
    ...{ time: new Date().toISOString(), data: { durationMs: 60_000 } },
  };
  expect(await other.run(['publish', '-'], JSON.stringify(event))).toMatchObject({ code: 0 });

  const answer = await other.run(['init']);
  expect(answer.code).toBe(1);
  expectHelp(answer, 'TOPIC_AUTO_CREATED', topic);
  expect((await other.run(['doctor'])).stdout).toContain('kafka-configs.sh');
  const [, entries] = /--entity-name \S+ --add-config (\S+)/.exec(answer.stderr)!;
  const [, count] = /--alter --topic \S+ --partitions (\d+)/.exec(answer.stderr)!;
  const configEntries = entries!.split(',').map((entry) => {
    const [name, value] = entry.split('=') as [string, string];
    return { name, value };
  });
  await admin.alterConfigs({
    validateOnly: false,
    resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }],
  });
  await admin.createPartitions({ topicPartitions: [{ topic, count: Number(count) }] });
  await client.close();

  await other.ok('init');
  await other.ok('consume', '--until-caught-up');
  expect(await other.json('totals', 'acme')).toMatchObject({ totals: { 'agent.session': '60' } });
  expect((await other.run(['doctor'])).stdout).not.toMatch(/kafka-(configs|topics)\.sh/);
}, 90_000);

test('a port that answers nothing is given up, in one line', async () => {
  const other = installation({ KAFKA_BROKERS: `127.0.0.1:${silentPort}` });
  expectHelp(await other.run(['projects', 'list']), 'KAFKA_UNAVAILABLE', 'KAFKA_BROKERS');
}, 90_000);

test.each(['totals acme', 'projects list --output csv', '--help'])(
  'a full disk under stdout is named: %s',
  async (words) => {
    const { stderr } = await promisify(exec)(`"${process.execPath}" "${CLI}" ${words} > /dev/full`, {
      env: { ...tallyman.env, LOG_LEVEL: 'warn' },
    }).catch((error: unknown) => error as { stderr: string });
    expectHelp({ stderr, stdout: '' } as Answer, 'FILE_UNUSABLE', 'ENOSPC');
  },
  60_000,
);

test('CSV that is not UTF-8 is refused with its line', async () => {
  const answer = await tallyman.run(['projects', 'import', join(folder, 'latin1.csv')]);
  expectHelp(answer, 'BAD_PROJECTS', 'latin1.csv:2: is not valid UTF-8');
}, 60_000);

test('CSV without a first row is refused', async () => {
  const file = join(folder, 'empty.csv');
  writeFileSync(file, '');
  expectHelp(
    await tallyman.run(['projects', 'import', file]),
    'BAD_PROJECTS',
    'must name project, plan, from',
  );
}, 60_000);

test.each(['alerts watch', 'top', 'bridge livekit-transfer --project acme http://127.0.0.1:1'])(
  '%s without a pause between two turns is refused',
  async (words) => {
    const option = words.startsWith('bridge') ? '--every' : '--interval';
    const answer = await tallyman.run([...words.split(' '), option, '0s']);
    expect(answer).toMatchObject({ code: 2, stderr: expect.stringContaining('is too short') as string });
  },
  60_000,
);

test('an e-mail is changed without touching the plans, and a dry run changes nothing', async () => {
  await tallyman.ok('projects', 'set', 'acme', '--plan', 'ship', '--from', '2026-10-01');
  await tallyman.ok('projects', 'set', 'acme', '--email', 'new@acme.example');
  await tallyman.ok('projects', 'set', 'acme', '--plan', 'scale', '--name', 'Other', '--dry-run');
  expect(await tallyman.json('projects', 'show', 'acme')).toMatchObject({
    plans: [{ plan: 'ship', from: '2026-10-01' }],
    profile: { email: 'new@acme.example' },
  });
}, 60_000);

test('only keys that exist are printed', async () => {
  const { stdout, stderr } = await tallyman.run(['keys', 'nobody', '--month', '2020-01']);
  expect(stdout).not.toContain(':totals:');
  expect(stdout + stderr).not.toContain('nobody\n');
}, 60_000);
