import { faultSuite, scaled } from '../support/fault-suite';
import { withKafka } from '../support/kafka-client';
import { expectTotals, publishInTransactions, transactionalProducer } from './transactions';

const fault = faultSuite('kafka: transactions');

fault('consumers killed among transactions', async (run) => {
  const tallyman = await run.install(2);
  let isDone = false;
  const publishing = withKafka(run.world, (client) =>
    publishInTransactions(run, tallyman, client, scaled(4_000)),
  ).finally(() => (isDone = true));
  for (let kill = 0; kill < 3 && !isDone; kill += 1) {
    const consumer = run.consume(tallyman);
    await run.progress(tallyman);
    await run.kill(consumer);
  }
  const expected = await publishing;
  await run.finish(tallyman);
  await expectTotals(run, tallyman, expected);
  await run.judge(tallyman);
});

fault('a producer that dies and leaves its transaction open', async (run) => {
  const tallyman = await run.install(2);
  const load = run.load(tallyman, { events: 2_000 });
  await load.done;
  await withKafka(run.world, async (client) => {
    const producer = await transactionalProducer(client, `${tallyman.prefix}.dead`, 5_000);
    const open = await producer.transaction();
    for (const partition of [0, 1]) {
      await open.send({
        topic: `${tallyman.prefix}.usage.session`,
        messages: [{ key: 'p', value: 'left', partition }],
      });
    }
    await producer.disconnect();
  });
  // What comes behind it cannot be read before Kafka gives it up: it is waited for, and then
  // counted.
  const behind = run.load(tallyman, { events: 2_000, seed: run.seed + 1 });
  await behind.done;
  await run.finish(tallyman);
  await run.judge(tallyman);
});
