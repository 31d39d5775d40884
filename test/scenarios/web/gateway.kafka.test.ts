import { gzipSync } from 'node:zlib';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { readConfig } from '../../../src/lib/config';
import { createLogger } from '../../../src/lib/logger';
import { openKafka, type KafkaClient } from '../../../src/kafka/client';
import { publisherAtNeed, type Publisher } from '../../../src/kafka/producer';
import { readRange } from '../../../src/kafka/read-range';
import { createTopics, logEnds, topicName } from '../../../src/kafka/topics/topics';
import { createGateway, type Gateway } from '../../../src/web/gateway/gateway';
import { createGatewayServer } from '../../../src/web/gateway/gateway-server';
import { createTokens, type TokenRequest } from '../../../src/web/http/tokens';
import { ask, type HttpAnswer } from '../../kit/web/http-client';
import { testBrokers, uniquePrefix } from '../../kit/services';

const SECRET = 'a secret of the tests, more than 32 bytes long';
const STRUCTURED = 'application/cloudevents+json';
const BATCH = 'application/cloudevents-batch+json';
const tokens = createTokens(SECRET);
const logger = createLogger('silent');

interface Door {
  readonly app: FastifyInstance;
  readonly gateway: Gateway;
  readonly publisher: Publisher;
  readonly kafka: KafkaClient;
  readonly prefix: string;
}

async function openDoor(brokers: string): Promise<Door> {
  const prefix = uniquePrefix();
  const config = readConfig({ TALLYMAN_PREFIX: prefix, KAFKA_BROKERS: brokers });
  const kafka = openKafka(config.kafka);
  const publisher = publisherAtNeed(kafka);
  const gateway = createGateway({ config, logger, publisher, registry: new Registry(), nowMs: Date.now });
  const app = await createGatewayServer({ config, logger, events: { tokens, authSecret: SECRET, gateway } });
  await app.listen({ host: '127.0.0.1', port: 0 });
  return { app, gateway, publisher, kafka, prefix };
}

async function closeDoor({ app, gateway, publisher, kafka }: Door): Promise<void> {
  await app.close();
  await gateway.close();
  await publisher.close();
  await kafka.close();
}

const event = (id: string, more: object = {}): Record<string, unknown> => ({
  specversion: '1.0',
  id,
  source: '/sfu',
  type: 'usage.session.v1',
  subject: 'acme',
  time: new Date().toISOString(),
  data: { service: 'webrtc', durationMs: 60_000 },
  ...more,
});

const authorization = (request: Partial<TokenRequest> = { projects: { acme: 'producer' } }): string =>
  `Bearer ${tokens.sign({ subject: 'sfu', expiresAtMs: Date.now() + 60_000, ...request })}`;

function post(
  door: Door,
  body: unknown,
  headers: Record<string, string> = {},
  token: string | undefined = authorization(),
): Promise<HttpAnswer> {
  const payload = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body);
  const type = Array.isArray(body) ? BATCH : STRUCTURED;
  return ask(door.app.server, {
    method: 'POST',
    url: '/v1/events',
    headers: { 'content-type': type, ...(token !== '' && { authorization: token }), ...headers },
    payload,
  });
}

let door: Door;
beforeAll(async () => {
  door = await openDoor(testBrokers().join(','));
  await createTopics(door.kafka, door.prefix, { partitions: 1, replication: 1, retentionDays: 1 });
});
afterAll(async () => {
  await closeDoor(door);
});

/** What the log of a topic holds, from its start. */
async function logOf(topic: string): Promise<{ key: string | undefined; value: string; id: unknown }[]> {
  const found: { key: string | undefined; value: string; id: unknown }[] = [];
  const name = topicName(door.prefix, topic);
  const [end = 0] = (await logEnds(door.kafka, [name])).get(name) ?? [];
  for await (const page of readRange(door.kafka, { topic: name, partition: 0, from: 0, to: end })) {
    for (const { key, value, headers } of page) {
      const text = value?.toString() ?? '';
      const id = headers?.['ce_id']?.toString() ?? (JSON.parse(text) as { id: unknown }).id;
      found.push({ key: key?.toString(), value: text, id });
    }
  }
  return found;
}

test('an event that is answered with 202 is in the log, as it came, under its project', async () => {
  const text = `${JSON.stringify(event('one')).slice(0, -1)}, "extra": 1.0}`;
  const answer = await post(door, text);
  expect([answer.statusCode, answer.json()]).toEqual([202, { accepted: 1, rejected: [] }]);
  expect(await logOf('usage.session')).toContainEqual({ key: 'acme', value: text, id: 'one' });
});

test('a batch goes to the topics of its events, voids to those of what they take back', async () => {
  const agent = event('agent', { type: 'usage.agent.v1', data: { durationMs: 1 } });
  const { data, type, time } = agent;
  const voids = event('void', {
    type: 'usage.void.v1',
    data: { source: '/sfu', id: 'agent', type, time, data },
  });
  const answer = await post(door, [event('b1'), agent, voids]);
  expect(answer.json()).toEqual({ accepted: 3, rejected: [] });
  expect((await logOf('usage.agent')).map(({ id }) => id)).toEqual(['agent', 'void']);
});

test('binary mode and gzip are understood', async () => {
  const headers = {
    'content-type': 'application/json',
    'ce-specversion': '1.0',
    'ce-id': 'caf%C3%A9',
    'ce-source': '/sfu',
    'ce-type': 'usage.transfer.v1',
    'ce-subject': 'acme',
    'ce-time': new Date().toISOString(),
  };
  const data = { service: 'webrtc', direction: 'upstream', bytes: 5 };
  expect((await post(door, JSON.stringify(data), headers)).statusCode).toBe(202);
  expect(await logOf('usage.transfer')).toEqual([{ key: 'acme', value: JSON.stringify(data), id: 'café' }]);
  const zipped = gzipSync(JSON.stringify(event('zipped')));
  expect((await post(door, zipped, { 'content-encoding': 'gzip' })).statusCode).toBe(202);
});

test('of a batch with bad events the good ones are taken and the bad ones named', async () => {
  const bad = event('bad', { data: { service: 'webrtc', durationMs: -1 } });
  const answer = await post(door, [event('good'), bad, event('foreign', { subject: 'globex' }), 7]);
  expect(answer.statusCode).toBe(202);
  expect(answer.json()).toMatchObject({
    accepted: 1,
    rejected: [
      { index: 1, id: 'bad', reason: 'schema_violation' },
      { index: 2, id: 'foreign', reason: 'forbidden' },
      { index: 3, reason: 'schema_violation' },
    ],
  });
});

test('a strict batch is taken whole or not at all', async () => {
  const answer = await post(door, [event('strict'), {}], { prefer: 'handling=strict' });
  expect([answer.statusCode, answer.json<{ code: string }>().code]).toEqual([400, 'EVENTS_REJECTED']);
  expect((await logOf('usage.session')).map(({ id }) => id)).not.toContain('strict');
});

test.each([
  ['no token', '', 401],
  ['a member', authorization({ projects: { acme: 'member' } }), 403],
  ['an admin', authorization({ projects: { acme: 'admin' } }), 403],
  ['whoever runs the installation', authorization({ role: 'ops' }), 403],
  ['a producer of another project', authorization({ projects: { globex: 'producer' } }), 403],
  ['a producer of all projects', authorization({ role: 'producer' }), 202],
])('%s', async (_, token, status) => {
  expect((await post(door, event('who'), {}, token)).statusCode).toBe(status);
});

test.each([
  ['a body over the limit', 'x'.repeat(4 * 1_024 * 1_024 + 1), {}, 413],
  ['a bomb', gzipSync(Buffer.alloc(64 * 1_024 * 1_024)), { 'content-encoding': 'gzip' }, 413],
  ['what is not gzip', 'plain', { 'content-encoding': 'gzip' }, 400],
  ['another encoding', '{}', { 'content-encoding': 'br' }, 415],
  ['another content type', '{}', { 'content-type': 'text/plain' }, 415],
  ['no body', '', {}, 400],
])('%s is refused as a problem', async (_, body, headers, status) => {
  const answer = await post(door, body, headers);
  expect([answer.statusCode, answer.headers['content-type']]).toEqual([
    status,
    'application/problem+json; charset=utf-8',
  ]);
});

test('without Kafka nothing is acknowledged, and the client is told when to come again', async () => {
  const lonely = await openDoor('127.0.0.1:1');
  try {
    const answer = await post(lonely, event('lonely'));
    expect([answer.statusCode, answer.headers['retry-after']]).toEqual([503, '5']);
  } finally {
    await closeDoor(lonely);
  }
});
