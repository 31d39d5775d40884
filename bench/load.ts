import { readConfig } from '../src/lib/config';
import { takeByTopic } from '../src/oracle/workload';
import { openKafka } from '../src/kafka/client';
import { createPublisher } from '../src/kafka/producer';
import { topicName } from '../src/kafka/topics/topics';
import { benchWorkload, lastMonth } from './workload';

/** Publishes at a steady rate until it is stopped. */

const TICK_MS = 20;
const EVENTS = 100_000_000;

async function load(rate: number, projects: number): Promise<void> {
  const config = readConfig(process.env);
  const kafka = openKafka(config.kafka);
  const publisher = await createPublisher(kafka);
  const records = benchWorkload({ seed: 7, month: lastMonth(Date.now()), events: EVENTS, projects });
  const startedAt = Date.now();
  let published = 0;
  setInterval(() => {
    const due = Math.round(((Date.now() - startedAt) / 1000) * rate) - published;
    published += due;
    for (const [topic, batch] of takeByTopic(records, due)) {
      publisher.publish(topicName(config.prefix, topic), batch).catch(() => process.exit(1));
    }
  }, TICK_MS);
  process.on('SIGTERM', () => process.exit(0));
}

void load(Number(process.argv[2]), Number(process.argv[3]));
