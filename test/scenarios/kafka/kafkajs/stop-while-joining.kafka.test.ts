import { eventually } from '../../../kit/eventually';
import { MemoryTotals, testTopic, type TestTopic } from '../../../kit/kafka/kafka-harness';

/**
 * kafkajs stops nothing while a consumer is on its way into its group, as each is after a
 * breakdown: it goes on over new connections, which nobody closes any more, and keeps its
 * partitions and its process.
 */

let usage: TestTopic;
beforeEach(async () => (usage = await testTopic(1)));
afterEach(() => usage.close());

const members = async (): Promise<number> => {
  const admin = await usage.client.admin();
  return (await admin.describeGroups([usage.groupId])).groups[0]!.members.length;
};

it.each(['JoinGroup', 'SyncGroup'])(
  'a consumer that is stopped at the answer to its %s asks nothing more, and is in no group',
  async (api) => {
    const consumer = usage.client.kafkajs.consumer({ groupId: usage.groupId });
    await consumer.connect();
    await consumer.subscribe({ topic: usage.topic });
    let gone = false;
    const late: string[] = [];
    let stopped: Promise<void> | undefined;
    consumer.on(consumer.events.REQUEST, ({ payload }) => {
      if (gone) late.push(payload.apiName);
      if (payload.apiName === api) stopped ??= consumer.disconnect().then(() => void (gone = true));
    });
    await consumer.run({ eachBatch: () => Promise.resolve() });
    // A broker that has only just started has no coordinator yet, and kafkajs starts over.
    await eventually(() => gone);
    expect(late).toEqual([]);
    expect(await members()).toBe(0);
  },
);

it('a runner that is stopped while it starts has ended its start when it is stopped', async () => {
  const runner = usage.runner(new MemoryTotals(1));
  let hasStarted = false;
  void runner.start().finally(() => (hasStarted = true));
  await runner.stop();
  expect(hasStarted).toBe(true);
  expect(await members()).toBe(0);
});
