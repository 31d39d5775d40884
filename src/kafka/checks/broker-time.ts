import type { KafkaClient } from '../client';
import { topicName } from '../topics/topics';

/** No reader of the ledger uses this key. Its record has no value, so compaction removes it. */
const PROBE_KEY = 'clock';

/**
 * How far the clock of a broker is ahead of ours, in ms; undefined if that cannot be measured.
 * Kafka has no request for the time, so a record is published to `billing.settings`, whose records
 * the broker stamps.
 */
export async function brokerClockSkew(client: KafkaClient, prefix: string): Promise<number | undefined> {
  const producer = client.kafkajs.producer({ allowAutoTopicCreation: false });
  await producer.connect();
  try {
    const topic = topicName(prefix, 'billing.settings');
    const send = { topic, acks: -1, messages: [{ key: PROBE_KEY, value: null }] };
    await producer.send(send); // The first one may take long, since it looks up the leader.
    const sentAt = Date.now();
    const startedAt = performance.now();
    const [answer] = await producer.send(send);
    const stampedAt = Number(answer?.logAppendTime ?? -1);
    return stampedAt < 0 ? undefined : stampedAt - (sentAt + (performance.now() - startedAt) / 2);
  } finally {
    await producer.disconnect();
  }
}
