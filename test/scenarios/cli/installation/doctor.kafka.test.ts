import { once } from 'node:events';
import { ConfigResourceTypes } from 'kafkajs';
import { startNativeRedis } from '../../../../src/dev/services/native-redis';
import { brokerClockSkew } from '../../../../src/kafka/checks/broker-time';
import { openKafka } from '../../../../src/kafka/client';
import { createPublisher } from '../../../../src/kafka/producer';
import { eventually } from '../../../kit/eventually';
import { testBrokers } from '../../../kit/services';
import { installation } from '../../../kit/tallyman';
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
    await redis.hset(`${tallyman.prefix}:usage:{1}:cursor`, `${tallyman.prefix}.usage.agent`, 1_000);
    await redis.hdel(`${tallyman.prefix}:usage:{0}:cursor`, `${tallyman.prefix}.usage.session`);
    const broken = await examine();
    expect(broken.code).toBe(1);
    const text = broken.findings.map(({ subject, problem }) => `${subject} ${problem}`).join('\n');
    for (const expected of [
      'maxmemory-policy is allkeys-lru',
      'appendonly is off',
      'usage.agent/1',
      'usage.session/0 Redis holds no cursor',
    ]) {
      expect(text).toContain(expected);
    }
    // A remedy that would not help is none: what it says to type must fix it.
    const past = broken.findings.find(({ subject }) => subject.endsWith('usage.agent/1'))!;
    const [, key, field, offset] = /redis-cli -u "\$REDIS_URL" HSET '(.*)' (\S+) (\d+)`$/.exec(past.remedy)!;
    await redis.hset(key!, field!, offset!);
    const repaired = await examine();
    expect(repaired.findings.map(({ subject }) => subject)).not.toContain(past.subject);
  } finally {
    redis.disconnect();
    await own.stop();
  }
});

interface Finding {
  readonly level: string;
  readonly subject: string;
  readonly problem: string;
  readonly remedy: string;
}

test('what can go wrong with a running installation is found, each with what to type', async () => {
  const [own, other] = await Promise.all([
    startNativeRedis(() => undefined),
    startNativeRedis(() => undefined),
  ]);
  const redis = new Redis(own.port);
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const admin = await client.admin();
  try {
    const tallyman = installation({ REDIS_URL: `redis://127.0.0.1:${own.port}` });
    await tallyman.ok('init', '--partitions', '1');
    const findings = async (more: NodeJS.ProcessEnv = {}): Promise<Finding[]> => {
      const env = { REDIS_URL: tallyman.env['REDIS_URL'], TALLYMAN_PREFIX: tallyman.prefix, ...more };
      const { stdout, stderr } = await installation(env).run(['doctor', '--json']);
      if (stdout === '') throw new Error(stderr);
      return (JSON.parse(stdout) as { findings: Finding[] }).findings;
    };
    const expectFound = (
      found: readonly Finding[],
      level: string,
      subject: string,
      problem: string,
    ): void => {
      const one = found.find(
        (finding) => finding.subject.includes(subject) && finding.problem.includes(problem),
      );
      expect(one ?? `no finding of ${subject}: ${problem}`).toMatchObject({ level });
      expect(one!.remedy).not.toBe('');
    };

    const skewMs = await brokerClockSkew(client, tallyman.prefix);
    expect(Math.abs(skewMs ?? Number.NaN)).toBeLessThan(10_000);
    const fresh = await findings();
    expect(fresh.filter(({ level }) => level === 'error')).toEqual([]);
    expect(fresh.map(({ problem }) => problem).join()).not.toContain('date its records');
    expectFound(fresh, 'warning', 'tallyman.session', 'no consumer is running');
    expectFound(fresh, 'warning', 'billing.invoices', 'it has 1 of each partition');

    // The topics.
    const alter = (name: string, settings: Record<string, string>): Promise<unknown> =>
      admin.alterConfigs({
        validateOnly: false,
        resources: [
          {
            type: ConfigResourceTypes.TOPIC,
            name: `${tallyman.prefix}.${name}`,
            configEntries: Object.entries(settings).map(([key, value]) => ({ name: key, value })),
          },
        ],
      });
    await alter('usage.session', {
      'cleanup.policy': 'compact',
      'max.message.bytes': '1000000',
      'retention.bytes': '1000000',
      'message.timestamp.type': 'CreateTime',
      'unclean.leader.election.enable': 'true',
    });
    await alter('billing.closes', { 'cleanup.policy': 'delete' });
    await alter('usage.dead-letters', { 'max.message.bytes': '1000' });
    // A rebuild that was killed, closes that do not agree, usage that waits.
    const prefix = tallyman.prefix;
    await redis.set(`${prefix}:usage:rebuilding`, 'now');
    await redis.hset(`${prefix}:billing:closes`, '2026-01', '{}');
    const publisher = await createPublisher(client);
    const frozen = { [`${prefix}.usage.agent`]: 0 };
    const close = { month: '2026-02', closedAt: '2026-03-01T02:00:00Z', cursors: { 0: frozen } };
    await publisher.publish(`${prefix}.billing.closes`, [{ key: '2026-02', value: JSON.stringify(close) }]);
    await publisher.publish(`${prefix}.usage.agent`, [{ key: 'acme', value: 'x' }]);
    await publisher.close();
    // Redis: nearly full, and with a replica that nobody waits for.
    await redis.config('SET', 'maxmemory', '100mb');
    await redis.config('SET', 'maxmemory', String(Math.ceil(await usedMemory(redis)) + 20_000));
    const replica = new Redis(other.port);
    await replica.replicaof('127.0.0.1', own.port);
    await eventually(async () => (await redis.info('replication')).includes('connected_slaves:1'));
    const all = await findings({ TALLYMAN_ROUNDING: 'per-second' });
    await redis.config('SET', 'maxmemory', '0');
    for (const [level, subject, problem] of [
      ['error', 'usage.session', 'it is compacted'],
      ['warning', 'usage.session', 'retention.bytes is 1000000'],
      ['warning', 'usage.session', 'producers date its records'],
      ['error', 'usage.session', 'a copy that is not in sync may become its leader'],
      ['error', 'usage.session', 'it takes messages up to 1000000 bytes'],
      ['error', 'billing.closes', 'its cleanup.policy is delete'],
      ['error', 'usage.dead-letters', 'it takes messages up to 1000 bytes'],
      ['error', 'settings', 'TALLYMAN_ROUNDING is per-second and was per-minute'],
      ['error', 'Redis', 'a rebuild has not ended'],
      ['error', 'close of 2026-01', 'the ledger does not'],
      ['error', 'close of 2026-02', 'Redis does not'],
      ['error', 'close of 2026-02, shard 0', 'lost its freeze'],
      ['warning', 'usage.agent/0', '1 events are waiting, and the cursor has stopped at 0'],
      ['error', 'Redis', 'of maxmemory is used'],
      ['warning', 'Redis', 'min-replicas-to-write is 0'],
    ] as const) {
      expectFound(all, level, subject, problem);
    }
    const { remedy } = all.find(({ problem }) => problem.includes('producers date its records'))!;
    expect(remedy).toContain(
      `kafka-configs.sh --bootstrap-server ${testBrokers().join(',')} --alter --entity-type topics ` +
        `--entity-name ${prefix}.usage.session --add-config message.timestamp.type=LogAppendTime`,
    );
    const onReplica = await findings({ REDIS_URL: `redis://127.0.0.1:${other.port}` });
    expectFound(onReplica, 'error', 'Redis', 'it is a replica');
    replica.disconnect();
  } finally {
    redis.disconnect();
    await client.close();
    await Promise.all([own.stop(), other.stop()]);
  }
});

test('with consumers running nobody is missed', async () => {
  const tallyman = installation();
  await tallyman.ok('init', '--partitions', '1');
  const consuming = tallyman.start('consume');
  const gone = once(consuming, 'close');
  try {
    await eventually(
      async () => {
        const { stdout } = await tallyman.run(['doctor']);
        return stdout.includes('it has 1 of each partition') && !stdout.includes('no consumer is running');
      },
      { timeoutMs: 60_000 },
    );
  } finally {
    consuming.kill('SIGTERM');
    await gone;
  }
});

async function usedMemory(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))![1]);
}

test('a topic that was deleted is named, and nobody is told to recreate it', async () => {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  try {
    const tallyman = installation();
    const { prefix } = tallyman;
    await tallyman.ok('init', '--partitions', '1');
    await tallyman.ok('projects', 'set', 'acme', '--plan', 'ship', '--from', '2026-10-01');
    const admin = await client.admin();
    for (const topic of [`${prefix}.usage.agent`, `${prefix}.billing.projects`]) {
      await admin.deleteTopics({ topics: [topic] });
      await eventually(async () => !(await client.topics([topic])).has(topic));
      const findings = async (): Promise<Finding[]> =>
        (JSON.parse((await tallyman.run(['doctor', '--json'])).stdout) as Findings).findings as Finding[];
      const found = (await findings()).find(({ subject }) => subject === topic);
      expect(found).toMatchObject({
        level: 'error',
        problem: expect.stringContaining('has used it') as string,
      });
      expect(found!.remedy).not.toContain('init');
      const verbs = [['init'], ['init', '--partitions', '1']];
      if (topic.includes('usage')) verbs.push(['consume', '--until-caught-up'], ['verify'], ['rebuild']);
      for (const words of verbs) {
        const { code, stderr } = await tallyman.run(words);
        expect(code).not.toBe(0);
        expect(stderr).toContain('TOPICS_MISSING');
        expect(stderr).toContain(topic);
        expect(stderr).not.toContain('tallyman init');
      }
      expect((await client.topics([topic])).size).toBe(0);
    }
  } finally {
    await client.close();
  }
});

test('a ledger keeps to its first partition, and doctor names what others publish beside it', async () => {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  const publisher = await createPublisher(client);
  try {
    const tallyman = installation();
    await tallyman.ok('init', '--partitions', '1');
    const ledger = `${tallyman.prefix}.billing.projects`;
    const admin = await client.admin();
    await admin.createPartitions({ topicPartitions: [{ topic: ledger, count: 4 }] });
    await eventually(async () => (await client.topics([ledger])).get(ledger)?.length === 4);
    const names = ['p1', 'p2', 'p3', 'p4', 'p5', 'p6'];
    for (const name of names) await tallyman.ok('projects', 'set', name, '--plan', 'ship');
    const { projects } = await tallyman.json<{ projects: { project: string }[] }>('projects', 'list');
    expect(projects.map(({ project }) => project)).toEqual(names);
    expect((await tallyman.run(['doctor'])).code).toBe(0);

    const value = JSON.stringify({ project: 'astray', plans: [{ plan: 'ship', from: '2026-10-01' }] });
    await publisher.publish(ledger, [{ key: 'astray', value, partition: 2 }]);
    const { code, stdout } = await tallyman.run(['doctor', '--json']);
    expect(code).toBe(1);
    expect((JSON.parse(stdout) as Findings).findings).toContainEqual(
      expect.objectContaining({
        ...{ level: 'error', subject: ledger },
        problem: expect.stringContaining('records in partition 2') as string,
      }),
    );
  } finally {
    await publisher.close();
    await client.close();
  }
});

test('a ledger that was recreated is an error, as it is for a close', async () => {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' });
  try {
    const tallyman = installation();
    await tallyman.ok('init', '--partitions', '1');
    await tallyman.ok('projects', 'set', 'acme', '--plan', 'ship');
    const topic = `${tallyman.prefix}.billing.projects`;
    const admin = await client.admin();
    await admin.deleteTopics({ topics: [topic] });
    await eventually(async () => !(await client.topics([topic])).has(topic));
    const configEntries = [{ name: 'cleanup.policy', value: 'compact' }];
    await admin.createTopics({ topics: [{ topic, numPartitions: 1, configEntries }] });
    const { code, stdout } = await tallyman.run(['doctor', '--json']);
    expect(code).toBe(1);
    expect((JSON.parse(stdout) as Findings).findings).toContainEqual(
      expect.objectContaining({ level: 'error', code: 'TOPIC_REPLACED', subject: topic }),
    );
  } finally {
    await client.close();
  }
});
