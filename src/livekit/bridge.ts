import type { Registry } from 'prom-client';
import type { Config } from '../lib/config';
import type { Logger } from '../lib/logger';
import { pause, repeat, type Repetition } from '../lib/process/poller';
import { KafkaJSError, type KafkaClient } from '../kafka/client';
import { startGroupConsumer } from '../kafka/group-consumer';
import type { Publisher } from '../kafka/producer';
import { createTopic, topicName } from '../kafka/topics/topics';
import { createLiveKitMetrics } from './livekit-metrics';
import { loadMappingRules } from './mapping-file';
import { mapWebhook, webhooksIn } from './map-webhooks';
import { createWebhookReceiver, type WebhookReceiver } from './receive-webhooks';
import { openSpool } from './spool';
import type { LiveKitUsage } from './usage-of-webhook';
import { createServerApi, type ServerApi } from './watch/server-api';
import { createSessionWatch } from './watch/session-watch';
import { createStreamWatch } from './watch/stream-watch';
import type { Endings, Watch, WatchOptions } from './watch/watch';
import { noteEnded, type OpenPlace } from '../redis/livekit/open-sessions';
import type { Store } from '../redis/store';

/**
 * Webhooks as they arrived, by room. They are kept, so that they can be mapped again after a wrong
 * mapping.
 */
export const WEBHOOKS_TOPIC = 'livekit.webhooks';
/** More than the receiver takes, so that no webhook is too large to be stored. */
const MESSAGE_BYTES_MAX = 5 * 1_024 * 1_024;
const LOOK_EVERY_MS = 30_000;
const MAP_AGAIN_MS = 2_000;
const TOPIC_OF: Readonly<Record<LiveKitUsage['type'], string>> = {
  'usage.session.v1': 'usage.session',
  'usage.agent.v1': 'usage.agent',
};

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
  const spool =
    config.livekit.spoolFolder === undefined
      ? undefined
      : openSpool({
          folder: config.livekit.spoolFolder,
          bytesMax: config.livekit.spoolBytesMax,
          owner: topic,
          onDamaged: (file) => {
            metrics.damagedSpool();
            logger.error(
              { file },
              'a record of the spool differs from what was written: the disk damaged it',
            );
          },
        });
  const metrics = createLiveKitMetrics(registry, () => spool?.bytes ?? 0);
  const receiver = createWebhookReceiver({
    keys: config.livekit.keys,
    publish: (records) => publisher.publish(topic, records),
    nowSeconds: () => Math.floor(Date.now() / 1000),
    ...{ spool, metrics, logger },
  });
  const watches = store === undefined ? [] : watchesOf(store);
  function watchesOf(recorded: Store): Watch[] {
    const watching: WatchOptions = {
      ...{ store: recorded, rules, logger },
      api: serverApiOf(config.livekit),
      limitMs: config.livekit.sessionLimitMs,
      onEnded: (by) => metrics.endedBy(by),
      nowMs: Date.now,
    };
    return [createSessionWatch(watching), createStreamWatch(watching)];
  }

  const publishUsages = async (usages: readonly LiveKitUsage[]): Promise<void> => {
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
  };
  const publishEndings = async ({ usages, places }: Endings): Promise<void> => {
    await publishUsages(usages);
    // Only now: whatever is killed before ends it again, under the same id.
    for (const place of places) await noteEnded(store!, place);
  };
  const handle = async (values: readonly (Buffer | null)[]): Promise<void> => {
    const usages: LiveKitUsage[] = [];
    const places: OpenPlace[] = [];
    for (const webhook of webhooksIn(values, metrics, logger)) {
      const usage = mapWebhook(webhook, rules, metrics, logger);
      if (usage !== undefined) usages.push(usage);
      for (const watch of watches) {
        const ended = await watch.note(webhook);
        usages.push(...ended.usages);
        places.push(...ended.places);
      }
    }
    await publishEndings({ usages, places });
  };

  const closing = new AbortController();
  let mapper: { stop(): Promise<void> } | undefined;
  let looks: readonly Repetition[] = [];
  return {
    receiver,
    async startMapping() {
      const groupId = topicName(config.prefix, 'tallyman-livekit');
      while (mapper === undefined) {
        try {
          await createTopic(kafka, topic, { 'max.message.bytes': String(MESSAGE_BYTES_MAX) });
          mapper = await startGroupConsumer(kafka, { groupId, topic, handle, onFatal, logger });
        } catch (error) {
          if (closing.signal.aborted) return;
          if (!(error instanceof KafkaJSError)) throw error;
          // A bridge that ended here could not keep webhooks while Kafka is away.
          logger.warn({ err: error }, 'Kafka is away: webhooks are kept, and mapped once it answers');
          await pause(MAP_AGAIN_MS, closing.signal);
        }
      }
      looks = watches.map((watch) =>
        repeat({
          everyMs: LOOK_EVERY_MS,
          turn: async () => publishEndings(await watch.look()),
          onFailure: (error) =>
            logger.warn({ err: error }, 'cannot check what is open; it will be checked again'),
        }),
      );
    },
    async close() {
      closing.abort();
      await Promise.all(looks.map((look) => look.stop()));
      await mapper?.stop();
      await receiver.close();
    },
  };
}

/** The server's API, if its URL is set. It uses the first key, which may list everything. */
function serverApiOf({ url, keys }: Config['livekit']): ServerApi | undefined {
  const [first] = keys;
  return url === undefined || first === undefined ? undefined : createServerApi(url, first);
}
