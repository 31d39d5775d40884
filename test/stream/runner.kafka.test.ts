import { createPublisher, type Publisher } from '../../src/stream/producer';
import type { KafkaClient } from '../../src/stream/kafka';
import { createRunner, type Runner } from '../../src/stream/runner';
import { createTopics, topicName } from '../../src/stream/topics';
import { eventually } from '../support/eventually';
import { uniquePrefix } from '../support/services';
import { MemoryTotals, openTestKafka, quietLog } from './kafka-harness';

describe('the runner', () => {
  const prefix = uniquePrefix();
  const topic = topicName(prefix, 'usage.session');
  let client: KafkaClient;
  let publisher: Publisher;
  beforeAll(async () => {
    client = openTestKafka();
    await createTopics(client, prefix, { partitions: 3, replication: 1, retentionDays: 1 });
    publisher = await createPublisher(client);
  });
  afterAll(async () => {
    await publisher.close();
    await client.close();
  });

  it('applies every event once, in order', async () => {
    const totals = new MemoryTotals(3);
    const fatal = jest.fn();
    const runner: Runner = createRunner({
      client,
      topic,
      groupId: `${prefix}.a`,
      totals,
      log: quietLog,
      deadLetters: { publish: () => Promise.resolve() },
      onFatal: fatal,
      rate: ({ offset }) => ({
        ok: true,
        event: {
          offset,
          project: 'p',
          source: 's',
          id: 'i',
          month: '2026-01',
          day: '2026-01-01',
          usages: [],
        },
      }),
    });
    await publisher.publish(
      topic,
      Array.from({ length: 3000 }, (_, i) => ({ key: `k${i % 17}`, value: `v${i}` })),
    );
    await runner.start();
    await eventually(() => [0, 1, 2].reduce((sum, shard) => sum + totals.offsets(shard).length, 0) === 3000);
    for (const shard of [0, 1, 2]) {
      expect(totals.offsets(shard)).toEqual(totals.offsets(shard).map((_, i) => i));
    }
    await runner.stop();
    expect(fatal).not.toHaveBeenCalled();
  });
});
