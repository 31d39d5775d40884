import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { Registry } from 'prom-client';
import { readConfig } from '../../../src/lib/config';
import { createLogger } from '../../../src/lib/logger';
import { openKafka, type KafkaClient } from '../../../src/kafka/client';
import { createPublisher, type Publisher } from '../../../src/kafka/producer';
import { readRange } from '../../../src/kafka/read-range';
import { createTopics, logEnds, topicName } from '../../../src/kafka/topics/topics';
import { createBridge, WEBHOOKS_TOPIC, type Bridge } from '../../../src/livekit/bridge';
import { createGatewayServer } from '../../../src/web/gateway/gateway-server';
import { eventually } from '../../kit/eventually';
import { ask } from '../../kit/web/http-client';
import {
  expectedUsages,
  RECORDED_KEYS,
  recordedWebhooks,
  signatureOf,
} from '../../kit/usage/livekit-webhooks';
import { testBrokers, uniquePrefix } from '../../kit/services';

const logger = createLogger('silent');
const [[KEY, SECRET]] = [...RECORDED_KEYS] as [[string, string]];

interface RunningBridge {
  readonly app: FastifyInstance;
  readonly bridge: Bridge;
  readonly kafka: KafkaClient;
  readonly registry: Registry;
  readonly prefix: string;
  close(): Promise<void>;
}

/** A publisher that can be told to fail, as while Kafka is away. */
function breakable(publisher: Publisher): Publisher & { isAway: boolean } {
  const broken = {
    isAway: false,
    publish: (...[topic, records]: Parameters<Publisher['publish']>) =>
      broken.isAway ? Promise.reject(new Error('away')) : publisher.publish(topic, records),
    close: () => publisher.close(),
  };
  return broken;
}

async function startBridge(
  prefix: string,
  spool: string | undefined,
): Promise<RunningBridge & { publisher: { isAway: boolean } }> {
  const config = readConfig({
    TALLYMAN_PREFIX: prefix,
    KAFKA_BROKERS: testBrokers().join(','),
    LIVEKIT_KEYS: `${KEY}: ${SECRET}`,
    ...(spool !== undefined && { TALLYMAN_SPOOL: spool }),
  });
  const kafka = openKafka(config.kafka);
  await createTopics(kafka, prefix, { partitions: 1, replication: 1, retentionDays: 1 });
  const publisher = breakable(await createPublisher(kafka));
  const registry = new Registry();
  const onFatal = (error: Error): void => {
    throw error;
  };
  const bridge = createBridge({ config, kafka, publisher, store: undefined, registry, logger, onFatal });
  const app = await createGatewayServer({ config, logger, receiver: bridge.receiver });
  await app.listen({ host: '127.0.0.1', port: 0 });
  await bridge.startMapping();
  const close = async (): Promise<void> => {
    await app.close();
    await bridge.close();
    await publisher.close();
    await kafka.close();
  };
  return { app, bridge, kafka, registry, prefix, publisher, close };
}

/** Delivers a body as LiveKit does, signed now. */
async function deliver(
  app: FastifyInstance,
  body: string,
  more: { secret?: string; body?: string } = {},
): Promise<number> {
  const { statusCode } = await ask(app.server, {
    method: 'POST',
    url: '/livekit/webhooks',
    headers: {
      authorization: signatureOf(body, more.secret === undefined ? {} : { secret: more.secret }),
      'content-type': 'application/webhook+json',
    },
    payload: more.body ?? body,
  });
  return statusCode;
}

async function valuesOf({ kafka, prefix }: RunningBridge, topic: string): Promise<string[]> {
  const name = topicName(prefix, topic);
  const values: string[] = [];
  for (const [partition, end] of ((await logEnds(kafka, [name])).get(name) ?? []).entries()) {
    for await (const page of readRange(kafka, { topic: name, partition, from: 0, to: end })) {
      values.push(...page.map(({ value }) => value?.toString() ?? ''));
    }
  }
  return values;
}

interface Usage {
  readonly id: string;
}

/** Each usage by its id, as often as it was published: the consumers count the first. */
async function usagesOf(running: RunningBridge): Promise<Map<string, Usage>> {
  const values = [...(await valuesOf(running, 'usage.session')), ...(await valuesOf(running, 'usage.agent'))];
  const usages = values.map((value) => JSON.parse(value) as Usage).reverse();
  return new Map(usages.map((usage) => [usage.id, usage]));
}

const left = (sid: string): string =>
  JSON.stringify({
    event: 'participant_left',
    id: `EV_${sid}`,
    createdAt: '1795000090',
    room: { sid: 'RM_1', name: 'acme.x', turnPassword: 'a secret' },
    participant: { sid, joinedAtMs: '1795000001000' },
  });

test('every recorded story comes to its usage events, and what is delivered twice comes to the same', async () => {
  const running = await startBridge(uniquePrefix(), undefined);
  try {
    for (const deliveries of recordedWebhooks().values()) {
      for (const { body } of deliveries) expect(await deliver(running.app, body)).toBe(200);
    }
    const expected = [...expectedUsages().values()].flat() as Usage[];
    // The recordings were made with another source; one may tell of what another tells, too.
    const wanted = expected.map((usage) => ({ ...usage, source: '/livekit' }));
    await eventually(async () => (await usagesOf(running)).size === new Set(wanted.map(({ id }) => id)).size);
    const usages = await usagesOf(running);
    for (const usage of wanted) expect(usages.get(usage.id)).toEqual(usage);
    const kept = await valuesOf(running, WEBHOOKS_TOPIC);
    expect(kept.join()).not.toContain('turnPassword');
    expect(kept).toHaveLength([...recordedWebhooks().values()].flat().length);
  } finally {
    await running.close();
  }
});

test("a webhook that is not LiveKit's is refused and not kept", async () => {
  const running = await startBridge(uniquePrefix(), undefined);
  try {
    expect(await deliver(running.app, left('PA_1'), { secret: 'guess' })).toBe(401);
    expect(await deliver(running.app, left('PA_1'), { body: left('PA_2') })).toBe(401);
    expect(await valuesOf(running, WEBHOOKS_TOPIC)).toEqual([]);
  } finally {
    await running.close();
  }
});

test('while Kafka is away the spool keeps webhooks, another process finds them, and each counts', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallyman-bridge-'));
  const prefix = uniquePrefix();
  try {
    const first = await startBridge(prefix, folder);
    first.publisher.isAway = true;
    expect(await deliver(first.app, left('PA_1'))).toBe(200);
    expect(await deliver(first.app, left('PA_2'))).toBe(200);
    expect(await first.registry.metrics()).toContain('tallyman_livekit_deliveries_total{fate="spool"} 2');
    await first.close();

    const second = await startBridge(prefix, folder);
    expect(await deliver(second.app, left('PA_3'))).toBe(200);
    await eventually(async () => (await usagesOf(second)).size === 3);
    expect([...(await usagesOf(second)).keys()].sort()).toEqual(['PA_1', 'PA_2', 'PA_3']);
    await second.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test('what can be kept nowhere is to be sent again', async () => {
  const running = await startBridge(uniquePrefix(), undefined);
  try {
    running.publisher.isAway = true;
    expect(await deliver(running.app, left('PA_1'))).toBe(503);
    running.publisher.isAway = false;
    expect(await deliver(running.app, left('PA_1'))).toBe(200);
    expect(await running.registry.metrics()).toContain(
      'tallyman_livekit_deliveries_total{fate="kept_nowhere"} 1',
    );
  } finally {
    await running.close();
  }
});
