import { readConfig } from '../src/lib/config';
import { takeByTopic } from '../src/oracle/workload';
import { openKafka } from '../src/kafka/client';
import { createPublisher } from '../src/kafka/producer';
import { topicName } from '../src/kafka/topics/topics';
import { benchWorkload, type BenchWorkload } from './workload';

/**
 * Publishes a workload, lz4 and keyed by project. A process of its own: the oracle counts
 * meanwhile.
 */

const BATCH_RECORDS = 20_000;

async function fill(workload: BenchWorkload): Promise<void> {
  const config = readConfig(process.env);
  const kafka = openKafka(config.kafka);
  const publisher = await createPublisher(kafka);
  const records = benchWorkload(workload);
  for (let left = workload.events; left > 0; left -= BATCH_RECORDS) {
    const byTopic = takeByTopic(records, Math.min(left, BATCH_RECORDS));
    await Promise.all(
      [...byTopic].map(([topic, batch]) => publisher.publish(topicName(config.prefix, topic), batch)),
    );
  }
  await publisher.close();
  await kafka.close();
}

void fill(JSON.parse(process.argv[2] ?? '{}') as BenchWorkload).then(() => process.disconnect());
