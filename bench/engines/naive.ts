import { Redis } from 'ioredis';
import { Kafka, logLevel, type KafkaMessage } from 'kafkajs';
import { readConfig } from '../../src/lib/config';
import { registerCodecs } from '../../src/kafka/wire/codecs';
import { usageTopics } from '../../src/kafka/topics/topics';
import { NAIVE_ID_SECONDS, naiveIdKey, naiveTotalsKey, readNaively } from './naive-event';
import { createReporter } from './progress';

/**
 * The consumer that is written first: `SET NX EX` per id, `HINCRBY` per meter. With `--batched`,
 * one pipeline of each a batch. Both lose usage when they are killed between the two, and know no
 * late usage.
 */
async function naive(isBatched: boolean): Promise<void> {
  const config = readConfig(process.env);
  const report = createReporter();
  registerCodecs();
  const redis = new Redis(config.redisUrl);
  const kafka = new Kafka({ brokers: [...config.kafka.brokers], logLevel: logLevel.ERROR });
  const consumer = kafka.consumer({ groupId: `naive-${process.pid}`, maxWaitTimeInMs: 1_000 });
  await consumer.connect();
  await consumer.subscribe({ topics: usageTopics(config.prefix), fromBeginning: true });
  await consumer.run(
    isBatched
      ? {
          eachBatch: ({ batch }) =>
            countBatch(redis, batch.messages).then(() => report(batch.messages.length)),
        }
      : { eachMessage: ({ message }) => count(redis, message).then(() => report(1)) },
  );
  process.on('SIGTERM', () => process.exit(0));
}

async function count(redis: Redis, message: KafkaMessage): Promise<void> {
  const event = readNaively(message);
  if (!event) return;
  if ((await redis.set(naiveIdKey(event.id), '1', 'EX', NAIVE_ID_SECONDS, 'NX')) === null) return;
  const key = naiveTotalsKey(event.month, event.project);
  for (const [meter, quantity] of event.quantities)
    await redis.hincrby(key, meter, quantity).catch(() => undefined);
}

async function countBatch(redis: Redis, messages: readonly KafkaMessage[]): Promise<void> {
  const events = messages.map(readNaively).filter((event) => event !== undefined);
  const ids = redis.pipeline();
  for (const { id } of events) ids.set(naiveIdKey(id), '1', 'EX', NAIVE_ID_SECONDS, 'NX');
  const answers = (await ids.exec()) ?? [];
  const totals = redis.pipeline();
  events.forEach(({ month, project, quantities }, at) => {
    if (answers[at]?.[1] === null) return;
    for (const [meter, quantity] of quantities)
      totals.hincrby(naiveTotalsKey(month, project), meter, quantity);
  });
  await totals.exec();
}

void naive(process.argv[2] === '--batched');
