import { setTimeout as pause } from 'node:timers/promises';
import type { Alert } from '../../../schemas/types';
import { openKafka } from '../../../src/kafka/client';
import { readTopic } from '../../kit/kafka/read-topic';
import { openStore } from '../../../src/redis/store';
import { quietLog } from '../../kit/kafka/kafka-harness';
import { eventually, testBrokers, testRedisUrl } from '../../kit/services';
import { installation, type Installation } from '../../kit/tallyman';

const PROJECTS = 300;
const now = new Date();
const time = new Date(now.getTime() - 1_000).toISOString();
const month = now.toISOString().slice(0, 7);

/** Build includes 1,000 agent minutes: every project is at 80 % of them, every third at 100 %. */
const events = Array.from({ length: PROJECTS }, (_, i) =>
  JSON.stringify({
    specversion: '1.0',
    id: `agent-${i}`,
    source: '/test',
    type: 'usage.agent.v1',
    subject: `project-${i}`,
    time,
    data: { durationMs: (i % 3 === 0 ? 1_000 : 900) * 60_000 },
  }),
).join('\n');
const expected = Array.from({ length: PROJECTS }, (_, i) => (i % 3 === 0 ? [80, 100] : [80]))
  .flatMap((percents, i) => percents.map((percent) => `project-${i} ${percent}`))
  .sort();

let tallyman: Installation;
beforeEach(async () => {
  tallyman = installation();
  await tallyman.ok('init', '--partitions', '4');
  expect(await tallyman.run(['publish', '-'], events)).toMatchObject({ code: 0 });
  await tallyman.ok('consume', '--until-caught-up');
});

/** Straight from the topic, so that one that stands there twice is seen. */
async function sent(): Promise<string[]> {
  const client = openKafka({ brokers: testBrokers(), clientId: 'test' }, quietLog);
  const found: string[] = [];
  await readTopic(client, `${tallyman.prefix}.billing.alerts`, (key, value) => {
    const alert = JSON.parse(value!) as Alert;
    expect(alert.id).toBe(key);
    if (alert.kind === 'included') found.push(`${alert.project} ${alert.percent}`);
  });
  await client.close();
  return found.sort();
}

test('each alert once, though its watcher is killed at any moment', async () => {
  for (const delayMs of [350, 450, 550, 650, 750, 850, 1_000, 1_200]) {
    const watcher = tallyman.start('alerts', 'watch', '--interval', '100ms');
    const ended = new Promise((resolve) => watcher.on('exit', resolve));
    await pause(delayMs); // The point is to hit different moments of its work, so this waits for no condition.
    watcher.kill('SIGKILL');
    await ended;
  }
  await tallyman.ok('alerts', 'watch', '--once');
  expect(await sent()).toEqual(expected);

  const { alerts } = await tallyman.json<{ alerts: Alert[] }>('alerts', 'list', '--project', 'project-0');
  expect(alerts).toMatchObject([
    { project: 'project-0', month, percent: 80, used: '1000', limit: '1000', unit: 'minute', plan: 'build' },
    { project: 'project-0', month, percent: 100 },
  ]);
});

test('each alert once with two watchers at a time, and after a rebuild', async () => {
  const one = tallyman.start('alerts', 'watch', '--interval', '100ms');
  const other = tallyman.start('alerts', 'watch', '--interval', '100ms');
  await eventually(async () => (await sent()).length === expected.length, { timeoutMs: 60_000 });

  const store = await openStore({ url: testRedisUrl(), prefix: tallyman.prefix });
  for (const key of await store.redis.keys(`${tallyman.prefix}:*`)) await store.redis.del(key);
  await store.close();
  one.kill('SIGKILL');
  other.kill('SIGKILL');
  await tallyman.ok('rebuild');
  await tallyman.ok('alerts', 'watch', '--once');
  expect(await sent()).toEqual(expected);
});
