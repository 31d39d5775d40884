import type { Logger } from '../lib/logger';
import type { KafkaClient } from './client';
import { parseOffset } from './topics/offset';
import { unpackBatch, type PackedBatch } from './wire/fetch-response';

export interface GroupConsumerOptions {
  readonly groupId: string;
  readonly topic: string;
  /**
   * Called again with the same values if it rejects, and after a crash, so it must be repeatable.
   */
  readonly handle: (values: readonly (Buffer | null)[]) => Promise<void>;
  /** Called when reading has ended for good. The process should end. */
  readonly onFatal: (error: Error) => void;
  readonly logger: Logger;
}

/**
 * Reads a topic as a member of a group, at least once: offsets are committed after `handle` has
 * resolved. It is not meant for usage, whose offsets are in Redis: see src/ingest.
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
    if (restart) logger.warn({ err: error, topic }, 'a reader broke down and is being restarted');
    else onFatal(error);
  });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  await consumer.run({
    eachBatchAutoResolve: false,
    eachBatch: async (payload) => {
      const { batch } = payload;
      const { fetchedOffset } = batch as typeof batch & { readonly fetchedOffset: string };
      // Our own decoder of fetch responses puts these in the place of kafkajs's records.
      for (const packed of batch.messages as unknown as PackedBatch[]) {
        if (!payload.isRunning() || payload.isStale()) return;
        const { records } = await unpackBatch(packed);
        // A batch is fetched whole, so it may begin before the requested offset.
        const unread = records.filter(({ offset }) => offset >= parseOffset(fetchedOffset));
        if (unread.length > 0) await handle(unread.map(({ value }) => value));
        payload.resolveOffset(packed.offset);
        await payload.heartbeat();
      }
    },
  });
  return { stop: () => consumer.disconnect() };
}
