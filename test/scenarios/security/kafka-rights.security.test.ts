import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import { openKafka } from '../../../src/kafka/client';
import { createPublisher, type PublishRecord } from '../../../src/kafka/producer';
import { freePort } from '../../../src/dev/services/free-port';
import { startNativeRedis } from '../../../src/dev/services/native-redis';
import type { NativeService } from '../../../src/dev/services/service';
import { eventually } from '../../kit/eventually';
import { startProbed } from '../../kit/probed';
import { makeCertificates, type Certificates } from '../../kit/security/certificates';
import { documentedRights, type Right } from '../../kit/security/documented-rights';
import { startSecureKafka, type SecureKafka } from '../../kit/security/secure-kafka';
import { installation, type Installation } from '../../kit/tallyman';
import { RECORDED_KEYS, recordedWebhooks, signatureOf } from '../../kit/usage/livekit-webhooks';

const rights = documentedRights();
/** SASL's user of a verb, as a name without spaces. */
const userOf = (verb: string): string => verb.replaceAll(' ', '-');
const PREFIX = 'acme';
const now = new Date();
const month = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - 2, 1)).toISOString().slice(0, 7);

let certificates: Certificates;
let kafka: SecureKafka;
let redis: NativeService;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tallyman-rights-'));
  writeFileSync(join(folder, 'projects.csv'), `project,plan,from\nb,ship,${month}-01\n`);
  writeFileSync(join(folder, 'events.ndjson'), event('file', now.toISOString()));
  certificates = makeCertificates();
  const users = Object.fromEntries([...rights.keys(), 'nobody'].map((verb) => [userOf(verb), 'right']));
  [kafka, redis] = await Promise.all([
    startSecureKafka(certificates, users),
    startNativeRedis(() => undefined),
  ]);
  const client = openKafka({ brokers: [kafka.plain], clientId: 'test' });
  const create = { operation: AclOperationTypes.CREATE, resourceName: `${PREFIX}.livekit.webhooks` };
  const more: [string, Right][] = [
    [
      'init',
      { resourceType: AclResourceTypes.CLUSTER, resourceName: 'kafka-cluster', operation: create.operation },
    ],
    ['bridge livekit', { resourceType: AclResourceTypes.TOPIC, ...create }],
  ];
  const all = [...rights].flatMap(([verb, own]) =>
    own.map((right): [string, Right] => [verb, prefixed(right)]),
  );
  await (
    await client.admin()
  ).createAcls({
    acl: [...all, ...more].map(([verb, right]) => ({
      ...{ ...right, host: '*', principal: `User:${userOf(verb)}` },
      ...{ permissionType: AclPermissionTypes.ALLOW, resourcePatternType: ResourcePatternTypes.LITERAL },
    })),
  });
  await client.close();
}, 120_000);
afterAll(async () => {
  await Promise.all([kafka.stop(), redis.stop()]);
  certificates.remove();
  rmSync(folder, { recursive: true });
});

/** A transactional id has the prefix before its topic, everything else before its name. */
function prefixed(right: Right): Right {
  const { resourceType, resourceName } = right;
  const isTransactional = resourceType === AclResourceTypes.TRANSACTIONAL_ID;
  return {
    ...right,
    resourceName: isTransactional ? resourceName.replace(' ', ` ${PREFIX}.`) : `${PREFIX}.${resourceName}`,
  };
}

/** The installation as the user of a verb. */
const as = (verb: string, more: NodeJS.ProcessEnv = {}): Installation =>
  installation({
    KAFKA_BROKERS: kafka.sasl,
    KAFKA_SASL_MECHANISM: 'plain',
    KAFKA_SASL_USERNAME: userOf(verb),
    KAFKA_SASL_PASSWORD: 'right',
    REDIS_URL: `redis://${redis.address}`,
    TALLYMAN_PREFIX: PREFIX,
    // What was published below with an early time becomes a dead letter.
    TALLYMAN_FUTURE_LIMIT: '0s',
    TALLYMAN_AUTH_SECRET: '0'.repeat(32),
    ...more,
  });

const event = (id: string, time: string): string =>
  JSON.stringify({
    ...{ specversion: '1.0', id, source: '/test', type: 'usage.session.v1', subject: 'acme', time },
    data: { service: 'webrtc', durationMs: 70_000 },
  });

const ran = async (words: string, ...more: string[]): Promise<string> => {
  const verb = [...rights.keys()].find((known) => `${words} `.startsWith(`${known} `))!;
  return as(verb).ok(...words.split(' '), ...more);
};

test('each verb works with exactly the rights that the page lists', async () => {
  await ran('init --partitions 2 --timestamps create');
  await ran('init --partitions 2 --timestamps create');
  await ran(`projects set acme --plan ship --from ${month}-01`);
  for (const verb of ['list', 'show acme', 'compare acme']) await ran(`projects ${verb}`);
  const published = await as('publish').run(['publish', '-'], event('1', `${month}-20T10:00:00Z`));
  expect(published).toMatchObject({ code: 0 });
  await publishTooEarly();
  await ran('consume --until-caught-up');
  expect(await ran('dead-letters list')).toContain('from_the_future');
  expect(await ran('dead-letters replay --json')).toContain('"replayed": 1');
  await ran('consume --until-caught-up');
  await ran('top --once');
  await ran(`close ${month} --verify`);
  expect(await ran(`invoices show acme-${month}`)).toContain('WebRTC');
  await ran('invoices preview acme');
  await ran(`explain acme-${month}`);
  await ran('verify');
  await ran('verify --follow --once --state', join(folder, 'state'));
  await ran('alerts watch --once');
  const found = await as('doctor').run(['doctor', '--json']);
  expect(found.stdout).not.toContain('"level": "error"');
  await ran('rebuild --empty');
}, 300_000);

test('each server works with exactly the rights that the page lists', async () => {
  const posted = async (verb: string): Promise<void> => {
    const port = await freePort();
    const token = await as(verb).ok('token', '--role', 'producer');
    const server = await startProbed(as(verb), [verb], { TALLYMAN_PORT: String(port) });
    try {
      await server.becomes(200);
      const answer = await fetch(`http://127.0.0.1:${port}/v1/events`, {
        method: 'POST',
        headers: {
          authorization: `Bearer ${/ey[\w.-]+/.exec(token)![0]}`,
          'content-type': 'application/cloudevents+json',
        },
        body: event(verb, new Date().toISOString()),
      });
      expect([verb, answer.status]).toEqual([verb, 202]);
    } finally {
      await server.kill();
    }
  };
  await posted('gateway');
  // `serve` follows the ledgers, and may not read this one.
  await publish('billing.alerts', { key: 'acme', value: '{}' });
  await posted('serve');
  const [[key, secret]] = [...RECORDED_KEYS] as [[string, string]];
  const port = await freePort();
  const bridge = await startProbed(as('bridge livekit'), ['bridge', 'livekit'], {
    ...{ TALLYMAN_PORT: String(port), LIVEKIT_API_KEY: key, LIVEKIT_API_SECRET: secret },
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
    const mapped = /^tallyman_livekit_webhooks_mapped_total\{outcome="usage"\} [1-9]/m;
    await eventually(async () => mapped.test(await bridge.metrics()), {
      ...{ timeoutMs: 60_000, what: 'webhooks become usage' },
    });
  } finally {
    await bridge.kill();
  }
}, 300_000);

test.each([...rights.keys()].filter((verb) => !/bridge|gateway|serve/.test(verb)))(
  'without rights, %s ends in one line',
  async (verb) => {
    const words: Record<string, string> = {
      'projects set': 'projects set b --plan ship',
      'projects import': `projects import ${join(folder, 'projects.csv')}`,
      'projects show': 'projects show acme',
      'projects compare': 'projects compare acme',
      publish: `publish ${join(folder, 'events.ndjson')}`,
      invoices: `invoices preview acme`,
      close: `close ${month}`,
      explain: `explain acme-${month} 2`,
      'dead-letters show': 'dead-letters show usage.session/0/0',
      'alerts watch': 'alerts watch --once',
      consume: 'consume --until-caught-up',
      top: 'top --once',
      'token revoke': 'token revoke some-id',
    };
    const { code, stderr } = await as('nobody').run((words[verb] ?? verb).split(' '));
    expect([code, stderr]).toEqual([1, expect.stringMatching(/\[(KAFKA_ACCESS|TOPIC_UNREADABLE)\]\n$/)]);
    expect(stderr).not.toMatch(/^\s+at /m);
  },
  60_000,
);

/** An event whose record was stamped before the time of the event, which is over by now. */
async function publishTooEarly(): Promise<void> {
  const time = Date.now() - 5_000;
  const value = event('early', new Date(time).toISOString());
  await publish('usage.session', { key: 'acme', value, timestampMs: time - 60_000 });
}

async function publish(topic: string, record: PublishRecord): Promise<void> {
  const client = openKafka({ brokers: [kafka.plain], clientId: 'test' });
  const publisher = await createPublisher(client);
  await publisher.publish(`${PREFIX}.${topic}`, [record]);
  await publisher.close();
  await client.close();
}
