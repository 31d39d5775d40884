import { Kafka, logLevel } from 'kafkajs';
import { readConfig } from '../../src/lib/config';
import { registerCodecs } from '../../src/kafka/wire/codecs';
import { usageTopics } from '../../src/kafka/topics/topics';
import { createReporter } from './progress';

/**
 * What the client costs at least: kafkajs as it comes, `JSON.parse`, and nothing else. Counts
 * nothing.
 */
async function raw(): Promise<void> {
  const config = readConfig(process.env);
  const report = createReporter();
  registerCodecs();
  const kafka = new Kafka({ brokers: [...config.kafka.brokers], logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({ groupId: `raw-${process.pid}`, maxWaitTimeInMs: 1_000 });
  await consumer.connect();
  await consumer.subscribe({ topics: usageTopics(config.prefix), fromBeginning: true });
  await consumer.run({
    // eslint-disable-next-line @typescript-eslint/require-await -- kafkajs awaits every handler
    eachBatch: async ({ batch }) => {
      for (const { value } of batch.messages) {
        try {
          JSON.parse(String(value));
        } catch {
          // A bad event.
        }
      }
      report(batch.messages.length);
    },
  });
  process.on('SIGTERM', () => process.exit(0));
}

void raw();
