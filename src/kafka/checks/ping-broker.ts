import { Kafka, logLevel } from 'kafkajs';

const ANSWER_TIMEOUT_MS = 2_000;

/**
 * True when a Kafka serves there: it answers, and at least one broker takes part in its cluster.
 */
export async function brokerAnswers(brokers: string[]): Promise<boolean> {
  const kafka = new Kafka({
    clientId: 'tallyman-ping',
    brokers,
    connectionTimeout: ANSWER_TIMEOUT_MS,
    requestTimeout: ANSWER_TIMEOUT_MS,
    // Refused connections are what the caller waits out: no retries in here, and nothing to log.
    retry: { retries: 0 },
    logLevel: logLevel.NOTHING,
  });
  const admin = kafka.admin();
  try {
    await admin.connect();
    return (await admin.describeCluster()).brokers.length > 0;
  } catch {
    return false;
  } finally {
    await admin.disconnect().catch(() => undefined);
  }
}
