import type { Registry } from 'prom-client';
import type { Config } from '../lib/config';
import type { Logger } from '../lib/logger';
import type { KafkaClient } from '../kafka/client';
import type { Publisher } from '../kafka/producer';
import { topicName } from '../kafka/topics/topics';
import { createLiveKitMetrics, type LiveKitMetrics } from './livekit-metrics';
import { loadMappingRules } from './mapping-file';
import { createWebhookReader } from './read-webhooks';
import { createWebhookReceiver, type WebhookReceiver } from './receive-webhooks';
import { openSpool, type Spool } from './spool';
import type { MappingRules } from './usage-of-webhook';
import { createServerApi, type ServerApi } from './watch/server-api';
import { createSessionWatch } from './watch/session-watch';
import { createStreamWatch } from './watch/stream-watch';
import type { Watch, WatchOptions } from './watch/watch';
import type { Store } from '../redis/store';

/**
 * Webhooks as they arrived, by room. They are kept, so that they can be mapped again after a wrong
 * mapping.
 */
export const WEBHOOKS_TOPIC = 'livekit.webhooks';

export interface BridgeOptions {
  readonly config: Pick<Config, 'prefix' | 'livekit'>;
  readonly kafka: KafkaClient;
  readonly publisher: Publisher;
  /**
   * Where it is recorded what is open, to end what LiveKit never ends; undefined without a watch.
   */
  readonly store: Store | undefined;
  readonly registry: Registry;
  readonly logger: Logger;
  readonly onFatal: (error: Error) => void;
}

/**
 * Turns LiveKit's webhooks into usage events: a receiver stores them, and a reader maps the stored
 * ones.
 */
export interface Bridge {
  readonly receiver: WebhookReceiver;
  /** Starts mapping, once Kafka answers. The receiver can do without Kafka for a while. */
  startMapping(): Promise<void>;
  close(): Promise<void>;
}

/** @throws TallymanError `BAD_LIVEKIT_MAPPING`, `BAD_SPOOL` */
export function createBridge(options: BridgeOptions): Bridge {
  const { config, kafka, publisher, store, registry, logger, onFatal } = options;
  const rules = loadMappingRules(config.livekit.mappingPath);
  const topic = topicName(config.prefix, WEBHOOKS_TOPIC);
  const spool = spoolOf(config.livekit, topic, logger, () => metrics.damagedSpool());
  const metrics = createLiveKitMetrics(registry, () => spool?.bytes ?? 0);
  const receiver = createWebhookReceiver({
    keys: config.livekit.keys,
    publish: (records) => publisher.publish(topic, records),
    nowSeconds: () => Math.floor(Date.now() / 1000),
    ...{ spool, metrics, logger },
  });
  const reader = createWebhookReader({
    ...{ prefix: config.prefix, topic, kafka, publisher, store, rules, metrics, logger, onFatal },
    watches: watchesOf(options, rules, metrics),
    api: serverApiOf(config.livekit),
  });
  return {
    receiver,
    startMapping: () => reader.start(),
    async close() {
      await reader.close();
      await receiver.close();
    },
  };
}

function spoolOf(
  { spoolFolder, spoolBytesMax }: Config['livekit'],
  owner: string,
  logger: Logger,
  countDamaged: () => void,
): Spool | undefined {
  if (spoolFolder === undefined) return undefined;
  return openSpool({
    ...{ folder: spoolFolder, bytesMax: spoolBytesMax, owner },
    onDamaged: (file) => {
      countDamaged();
      logger.error({ file }, 'a record of the spool differs from what was written: the disk damaged it');
    },
  });
}

function watchesOf(
  { config, store, logger }: BridgeOptions,
  rules: MappingRules,
  metrics: LiveKitMetrics,
): readonly Watch[] {
  if (store === undefined) return [];
  const watching: WatchOptions = {
    ...{ store, rules, logger },
    limitMs: config.livekit.sessionLimitMs,
    onEnded: (by) => metrics.endedBy(by),
  };
  return [createSessionWatch(watching), createStreamWatch(watching)];
}

/** The server's API, if its URL is set. It uses the first key, which may list everything. */
function serverApiOf({ url, keys }: Config['livekit']): ServerApi | undefined {
  const [first] = keys;
  return url === undefined || first === undefined ? undefined : createServerApi(url, first);
}
