import type { KafkaClient } from '../client';
import { topicName } from '../topics/topics';

/** A key that no reader of the ledger knows. Its record has no value, so compaction removes it. */
const PROBE_KEY = 'clock';

/**
 * How far the clock of a broker is ahead of ours, in ms; undefined where it cannot be told. Kafka
 * has no question for the time: a record is published to `billing.settings`, whose records the
 * broker stamps.
 */
export async function brokerClockSkew(client: KafkaClient, prefix: string): Promise<number | undefined> {
  const producer = client.kafkajs.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  try {
    const topic = topicName(prefix, 'billing.settings');
    const send = { topic, acks: -1, messages: [{ key: PROBE_KEY, value: null }] };
    await producer.send(send); // The first one finds the way; its answer may take long.
    const sentAt = Date.now();
    const startedAt = performance.now();
    const [answer] = await producer.send(send);
    const stampedAt = Number(answer?.logAppendTime ?? -1);
    return stampedAt < 0 ? undefined : stampedAt - (sentAt + (performance.now() - startedAt) / 2);
  } finally {
    await producer.disconnect();
  }
}
