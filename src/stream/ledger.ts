import { randomUUID } from 'node:crypto';
import type { Consumer } from 'kafkajs';
import type { KafkaClient } from './kafka';
import { parseOffset } from './offset';
import type { PublishRecord, Publisher } from './producer';
import { logRanges } from './topics';

/** Publishes records to a ledger topic; resolves when they are safe. */
export function appendLedger(
  publisher: Publisher,
  topic: string,
  records: readonly PublishRecord[],
): Promise<void> {
  return publisher.publish(topic, records);
}

/**
 * Reads a topic from its start to the end that it has at the call. Of a compacted topic a key may be met several times:
 * the last value counts, and null means that it is gone.
 */
export async function readLedger(
  client: KafkaClient,
  topic: string,
  onRecord: (key: string, value: string | null) => void,
): Promise<void> {
  const ranges = (await logRanges(client, [topic])).get(topic) ?? [];
  const ends = ranges.map(({ end }) => end);
  const unfinished = new Set(ranges.flatMap(({ start, end }, partition) => (start < end ? [partition] : [])));
  if (unfinished.size === 0) return;

  // kafkajs reads by groups only. This one commits nothing, and is deleted in the end.
  const groupId = `${topic}.reader.${randomUUID()}`;
  const consumer = client.kafkajs.consumer({
    groupId,
    maxWaitTimeInMs: 100,
    retry: { restartOnFailure: () => Promise.resolve(false) },
  });
  try {
    await consumer.connect();
    await consumer.subscribe({ topics: [topic], fromBeginning: true });
    await readUntil(consumer, ends, unfinished, onRecord);
  } finally {
    await consumer.disconnect();
    const admin = await client.admin();
    await admin.deleteGroups([groupId]).catch(() => undefined); // It vanishes by itself, only later.
  }
}

async function readUntil(
  consumer: Consumer,
  ends: readonly number[],
  unfinished: Set<number>,
  onRecord: (key: string, value: string | null) => void,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    consumer.on(consumer.events.CRASH, ({ payload }) => reject(payload.error));
    // Told of batches of control records too, which eachBatch is never shown.
    consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload }) => {
      if (parseOffset(payload.lastOffset) + 1 >= (ends[payload.partition] ?? 0))
        unfinished.delete(payload.partition);
      if (unfinished.size === 0) resolve();
    });
    consumer
      .run({
        autoCommit: false,
        eachBatch: ({ batch }) => {
          for (const { key, value } of batch.messages) {
            onRecord(key?.toString('utf8') ?? '', value?.toString('utf8') ?? null);
          }
          return Promise.resolve();
        },
      })
      .catch(reject);
  });
}
