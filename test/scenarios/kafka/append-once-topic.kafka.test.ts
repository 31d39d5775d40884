import { readTopic } from '../../kit/kafka/read-topic';
import { alertValue } from '../../kit/kafka/ledger-values';
import { createTopic, openTestKafka } from '../../kit/kafka/kafka-harness';
import { openAppendOnceTopic } from '../../../src/kafka/ledger/append-once-topic';
import { uniquePrefix } from '../../kit/services';
import type { KafkaClient } from '../../../src/kafka/client';

let client: KafkaClient;
let prefix: string;
let topic: string;
beforeEach(async () => {
  client = openTestKafka();
  prefix = uniquePrefix();
  topic = `${prefix}.billing.alerts`;
  await createTopic(client, { topic, numPartitions: 1 });
});
afterEach(() => client.close());

async function keysIn(): Promise<string[]> {
  const keys: string[] = [];
  await readTopic(client, topic, (key) => keys.push(key));
  return keys;
}

const record = (key: string): { key: string; value: string } => ({
  key,
  value: alertValue(key, `of ${key}`),
});

test('a key is written once, whoever asks again', async () => {
  const log = await openAppendOnceTopic(client, prefix, 'billing.alerts', () => true);
  await log.append([record('a'), record('b')]);
  await log.append([record('b'), record('c')]);
  await log.close();
  const next = await openAppendOnceTopic(client, prefix, 'billing.alerts', () => true);
  expect(next.has('c')).toBe(true);
  await next.append([record('a'), record('d')]);
  await next.close();
  expect(await keysIn()).toEqual(['a', 'b', 'c', 'd']);
});

test('a second writer shuts the first one out, though both believe that a key is new', async () => {
  const first = await openAppendOnceTopic(client, prefix, 'billing.alerts', () => true);
  const second = await openAppendOnceTopic(client, prefix, 'billing.alerts', () => true);
  await expect(first.append([record('a')])).rejects.toThrow();
  await second.append([record('a')]);
  await first.close();
  await second.close();
  expect(await keysIn()).toEqual(['a']);
});

test('what need not be known is not held', async () => {
  const log = await openAppendOnceTopic(client, prefix, 'billing.alerts', () => true);
  await log.append([record('old'), record('new')]);
  await log.close();
  const next = await openAppendOnceTopic(client, prefix, 'billing.alerts', ({ plan }) => plan === 'of new');
  expect([next.has('old'), next.has('new')]).toEqual([false, true]);
  await next.close();
});
