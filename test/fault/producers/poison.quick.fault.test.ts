import { Partitioners } from 'kafkajs';
import { readTopic } from '../../kit/kafka/read-topic';
import { faultSuite } from '../support/fault-suite';
import { withKafka } from '../support/kafka-client';
import { compare } from '../support/judge';
import { MONTH } from '../support/load';
import { readContent } from '../support/redis-content';
import { poisons, TIME } from './poison';

const fault = faultSuite('producers: poison');

fault('each has its reason or is counted, and harms nobody', async (run) => {
  const tallyman = await run.install(1);
  const places = new Map<string, string>();
  await withKafka(run.world, async ({ kafkajs }) => {
    const producer = kafkajs.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    for (const { name, topic: of, key = 'poison', value, headers } of poisons) {
      const topic = `${tallyman.prefix}.${of}`;
      const message = {
        key,
        value,
        timestamp: String(Date.parse(TIME)),
        ...(headers && { headers: { ...headers } }),
      };
      const [at] = await producer.send({ topic, messages: [message] });
      places.set(`${topic}/0/${at!.baseOffset}`, name);
    }
    await producer.disconnect();
  });
  run.events += poisons.length;
  const startedAt = Date.now();
  await run.finish(tallyman);
  expect(Date.now() - startedAt).toBeLessThan(30_000);

  const reasons = new Map<string, string>();
  await withKafka(run.world, (client) =>
    readTopic(client, `${tallyman.prefix}.usage.dead-letters`, (key, value) => {
      reasons.set(places.get(key) ?? key, (JSON.parse(value ?? '{}') as { reason: string }).reason);
    }),
  );
  const totals = new Map<string, bigint>();
  for (const { counts } of poisons) {
    if (!counts || counts[2] === 0n) continue;
    const [project, meter, quantity] = counts;
    const name = `${project} ${MONTH} ${meter}`;
    totals.set(name, (totals.get(name) ?? 0n) + quantity);
  }
  const found = await readContent(run.world.direct.REDIS_URL, tallyman.prefix);
  const bad = poisons.flatMap(({ name, reason }) => (reason === undefined ? [] : [[name, reason] as const]));
  run.note([...compare('dead letter', reasons, new Map(bad)), ...compare('total', found.totals, totals)]);
  // Its dead letters can be read as well.
  await tallyman.json('dead-letters', 'list');
});
