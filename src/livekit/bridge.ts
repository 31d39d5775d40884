import type { Registry } from 'prom-client';
import type { Config } from '../lib/config';
import type { Logger } from '../lib/logger';
import type { KafkaClient } from '../kafka/client';
import { startGroupConsumer } from '../kafka/group-consumer';
import type { Publisher } from '../kafka/producer';
import { createTopic, topicName } from '../kafka/topics/topics';
import { createLiveKitMetrics } from './livekit-metrics';
import { loadMappingRules } from './mapping-file';
import { mapWebhooks } from './map-webhooks';
import { createWebhookReceiver, type WebhookReceiver } from './receive-webhooks';
import { openSpool } from './spool';
import type { LiveKitUsage } from './usage-of-webhook';

/** Webhooks as they came, by room: kept, so that a mapping that was wrong can be done again. */
export const WEBHOOKS_TOPIC = 'livekit.webhooks';
const TOPIC_OF: Readonly<Record<LiveKitUsage['type'], string>> = {
  'usage.session.v1': 'usage.session',
  'usage.agent.v1': 'usage.agent',
};

export interface BridgeOptions {
  readonly config: Pick<Config, 'prefix' | 'livekit'>;
  readonly kafka: KafkaClient;
  readonly publisher: Publisher;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly onFatal: (error: Error) => void;
}

/** From LiveKit's webhooks to usage events: a receiver that keeps them, and a reader of what it kept that maps them. */
export interface Bridge {
  readonly receiver: WebhookReceiver;
  /** Begins to map. Needs Kafka, which the receiver can do without for a while. */
  startMapping(): Promise<void>;
  close(): Promise<void>;
}

/** @throws TallymanError `BAD_LIVEKIT_MAPPING` */
export function createBridge(options: BridgeOptions): Bridge {
  const { config, kafka, publisher, registry, logger, onFatal } = options;
  const rules = loadMappingRules(config.livekit.mappingPath);
  const topic = topicName(config.prefix, WEBHOOKS_TOPIC);
  const spool =
    config.livekit.spoolFolder === undefined
      ? undefined
      : openSpool(config.livekit.spoolFolder, config.livekit.spoolBytesMax, (file) => {
          metrics.damagedSpool();
          logger.error({ file }, 'a record of the spool is not what was written: the disk damaged it');
        });
  const metrics = createLiveKitMetrics(registry, () => spool?.bytes ?? 0);
  const receiver = createWebhookReceiver({
    keys: config.livekit.keys,
    publish: (records) => publisher.publish(topic, records),
    nowSeconds: () => Math.floor(Date.now() / 1000),
    ...{ spool, metrics, logger },
  });
  let mapper: { stop(): Promise<void> } | undefined;
  return {
    receiver,
    async startMapping() {
      await createTopic(kafka, topic);
      mapper = await startGroupConsumer(kafka, {
        groupId: topicName(config.prefix, 'tallyman-livekit'),
        topic,
        handle: async (values) => {
          const usages = mapWebhooks(values, rules, metrics, logger);
          for (const type of ['usage.session.v1', 'usage.agent.v1'] as const) {
            const events = usages.filter((usage) => usage.type === type);
            if (events.length === 0) continue;
            await publisher.publish(
              topicName(config.prefix, TOPIC_OF[type]),
              events.map((event) => ({
                key: event.subject,
                value: JSON.stringify(event),
                headers: { 'content-type': 'application/cloudevents+json' },
              })),
            );
          }
        },
        onFatal,
        logger,
      });
    },
    async close() {
      await mapper?.stop();
      await receiver.close();
    },
  };
}
