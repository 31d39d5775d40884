import type { Logger } from '../lib/logger';
import { pause, repeat, type Repetition } from '../lib/process/poller';
import { KafkaJSError, type KafkaClient } from '../kafka/client';
import { startGroupConsumer } from '../kafka/group-consumer';
import type { Publisher } from '../kafka/producer';
import { createTopic, topicName } from '../kafka/topics/topics';
import type { LiveKitMetrics } from './livekit-metrics';
import { mapWebhook, webhooksIn } from './map-webhooks';
import type { LiveKitUsage, MappingRules } from './usage-of-webhook';
import { createLook } from './watch/room-census';
import type { ServerApi } from './watch/server-api';
import type { Endings, Watch } from './watch/watch';
import { noteEnded, type OpenPlace } from '../redis/livekit/open-sessions';
import type { Store } from '../redis/store';

/** More than the receiver takes, so that no webhook is too large to be stored. */
const MESSAGE_BYTES_MAX = 5 * 1_024 * 1_024;
const LOOK_EVERY_MS = 30_000;
const START_AGAIN_MS = 2_000;
const TOPIC_OF: Readonly<Record<LiveKitUsage['type'], string>> = {
  'usage.session.v1': 'usage.session',
  'usage.agent.v1': 'usage.agent',
};

export interface WebhookReaderOptions {
  readonly prefix: string;
  /** The full name of the topic of stored webhooks, with the prefix. */
  readonly topic: string;
  readonly kafka: KafkaClient;
  readonly publisher: Publisher;
  /** Undefined if there are no watches. */
  readonly store: Store | undefined;
  readonly watches: readonly Watch[];
  readonly api: ServerApi | undefined;
  readonly rules: MappingRules;
  readonly metrics: LiveKitMetrics;
  readonly logger: Logger;
  readonly onFatal: (error: Error) => void;
}

/**
 * Reads the stored webhooks, publishes the usage that they report, and ends what LiveKit never
 * ends.
 */
export interface WebhookReader {
  /** Resolves once Kafka answers. */
  start(): Promise<void>;
  close(): Promise<void>;
}

export function createWebhookReader(options: WebhookReaderOptions): WebhookReader {
  const { watches, api, logger } = options;
  const closing = new AbortController();
  let reading: { stop(): Promise<void> } | undefined;
  let looks: Repetition | undefined;
  const look = async (): Promise<void> => {
    const shared = createLook(api, Date.now());
    for (const watch of watches) await publishEndings(options, await watch.look(shared));
  };
  return {
    async start() {
      reading = await startReading(options, closing.signal);
      if (reading === undefined || watches.length === 0) return;
      looks = repeat({
        everyMs: LOOK_EVERY_MS,
        turn: look,
        onFailure: (error) =>
          logger.warn({ err: error }, 'cannot check what is open; it will be checked again'),
      });
    },
    async close() {
      closing.abort();
      await looks?.stop();
      await reading?.stop();
    },
  };
}

/**
 * Waits for Kafka. A bridge that ended here could not keep webhooks while Kafka is away.
 *
 * @returns undefined if it was closed first
 */
async function startReading(
  options: WebhookReaderOptions,
  closing: AbortSignal,
): Promise<{ stop(): Promise<void> } | undefined> {
  const { kafka, prefix, topic, onFatal, logger } = options;
  const groupId = topicName(prefix, 'tallyman-livekit');
  const handle = (values: readonly (Buffer | null)[]): Promise<void> => handleWebhooks(options, values);
  for (;;) {
    try {
      await createTopic(kafka, topic, { 'max.message.bytes': String(MESSAGE_BYTES_MAX) });
      return await startGroupConsumer(kafka, { groupId, topic, handle, onFatal, logger });
    } catch (error) {
      if (closing.aborted) return undefined;
      if (!(error instanceof KafkaJSError)) throw error;
      logger.warn({ err: error }, 'Kafka is away: webhooks are kept, and mapped once it answers');
      await pause(START_AGAIN_MS, closing);
    }
  }
}

async function handleWebhooks(
  options: WebhookReaderOptions,
  values: readonly (Buffer | null)[],
): Promise<void> {
  const { watches, rules, metrics, logger } = options;
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
  await publishEndings(options, { usages, places });
}

async function publishEndings(
  { prefix, publisher, store }: WebhookReaderOptions,
  { usages, places }: Endings,
): Promise<void> {
  for (const type of ['usage.session.v1', 'usage.agent.v1'] as const) {
    const events = usages.filter((usage) => usage.type === type);
    if (events.length === 0) continue;
    await publisher.publish(
      topicName(prefix, TOPIC_OF[type]),
      events.map((event) => ({
        key: event.subject,
        value: JSON.stringify(event),
        headers: { 'content-type': 'application/cloudevents+json' },
      })),
    );
  }
  // Only now: whatever is killed before ends it again, under the same id.
  for (const place of places) await noteEnded(store!, place);
}
