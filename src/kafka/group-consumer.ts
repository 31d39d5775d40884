import type { Logger } from '../lib/logger';
import type { KafkaClient } from './client';
import { parseOffset } from './topics/offset';
import { unpackBatch, type PackedBatch } from './wire/fetch-response';

export interface GroupConsumerOptions {
  readonly groupId: string;
  /** Full name, with the prefix. */
  readonly topic: string;
  /**
   * Is called again with the same values if it rejects, and after a crash: what it does must bear
   * repeating.
   */
  readonly handle: (values: readonly (Buffer | null)[]) => Promise<void>;
  /** Called once nothing is read any more. The process should end. */
  readonly onFatal: (error: Error) => void;
  readonly logger: Logger;
}

/**
 * Reads a topic as a member of a group, at least once: offsets are committed after `handle` has
 * resolved. Not for usage, whose offsets Redis keeps: see src/ingest.
 */
export async function startGroupConsumer(
  client: KafkaClient,
  { groupId, topic, handle, onFatal, logger }: GroupConsumerOptions,
): Promise<{ stop(): Promise<void> }> {
  const consumer = client.kafkajs.consumer({
    groupId,
    allowAutoTopicCreation: false,
    sessionTimeout: 10_000,
  });
  consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
    if (restart) logger.warn({ err: error, topic }, 'a reader broke down and is started again');
    else onFatal(error);
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachBatchAutoResolve: false,
    eachBatch: async (payload) => {
      const { batch } = payload;
      const { fetchedOffset } = batch as typeof batch & { readonly fetchedOffset: string };
      // What our own decoder of fetch responses puts where kafkajs has records.
      for (const packed of batch.messages as unknown as PackedBatch[]) {
        if (!payload.isRunning() || payload.isStale()) return;
        const { records } = await unpackBatch(packed);
        // A batch comes whole, so it may begin before what was asked for.
        const unread = records.filter(({ offset }) => offset >= parseOffset(fetchedOffset));
        if (unread.length > 0) await handle(unread.map(({ value }) => value));
        payload.resolveOffset(packed.offset);
        await payload.heartbeat();
      }
    },
  });
  return { stop: () => consumer.disconnect() };
}
