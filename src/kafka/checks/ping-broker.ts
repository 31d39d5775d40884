import { Kafka, logLevel } from 'kafkajs';

const ANSWER_TIMEOUT_MS = 2_000;

/** True if a Kafka broker answers, and its cluster has at least one broker. */
export async function brokerAnswers(brokers: string[]): Promise<boolean> {
  const kafka = new Kafka({
    clientId: 'tallyman-ping',
    brokers,
    connectionTimeout: ANSWER_TIMEOUT_MS,
    requestTimeout: ANSWER_TIMEOUT_MS,
    // The caller waits while connections are refused, so this neither retries nor logs.
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
