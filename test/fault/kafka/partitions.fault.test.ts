import { eventually } from '../../kit/eventually';
import type { Installation } from '../../kit/tallyman';
import { faultSuite, type FaultRun } from '../support/fault-suite';
import { withKafka } from '../support/kafka-client';
import { MONTH, MONTH_BEFORE } from '../support/load';
import { readContent } from '../support/redis-content';

/** Partitions that have nothing, that are too many, and that nobody reads. */
const fault = faultSuite('kafka: partitions');

const CLOSE = ['close', MONTH_BEFORE, '--grace', '0s'];

fault('most partitions are empty: a catch-up ends, and a close', async (run) => {
  const tallyman = await run.install(12);
  await run.finish(tallyman);
  const load = run.load(tallyman, { events: 1_000, projects: ['the-only-one'] });
  await load.done;
  await run.finish(tallyman);
  const { cursors } = await readContent(run.world.direct.REDIS_URL, tallyman.prefix);
  expect([...cursors.values()].filter((cursor) => cursor === 0)).toHaveLength(44);
  await tallyman.ok(...CLOSE, '--stall', '5s');
  await run.judge(tallyman, load.published);
});

fault('a topic with more partitions than the others: refused, and counted once grow has run', async (run) => {
  const tallyman = await run.install(2);
  const load = run.load(tallyman, { events: 1_000 });
  await load.done;
  await addPartitions(run, tallyman, 4, ['agent']);
  for (const words of [
    ['consume'],
    ['consume', '--until-caught-up'],
    ['consume', 'session'],
    [...CLOSE, '--stall', '5s'],
    ['init'],
  ]) {
    expect(await tallyman.run(words)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/tallyman grow --partitions 4.*\[NOT_CO_PARTITIONED\]/) as string,
    });
  }
  await addPartitions(run, tallyman, 4, ['session', 'transfer', 'inference']);
  for (const words of [['consume'], [...CLOSE, '--stall', '5s'], ['init', '--partitions', '4']]) {
    expect(await tallyman.run(words)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/tallyman grow --partitions 4.*\[PARTITIONS_ADDED\]/) as string,
    });
  }
  expect(await tallyman.run(['grow', '--partitions', '3'])).toMatchObject({ code: 3 });
  await tallyman.ok('grow', '--partitions', '4');
  const more = run.load(tallyman, { events: 1_000, seed: run.seed + 1 });
  await more.done;
  await run.finish(tallyman);
  await run.judge(tallyman, load.published + more.published);
});

fault('a number of partitions that does not fit: counted only if that is accepted', async (run) => {
  const tallyman = await run.install(2);
  await addPartitions(run, tallyman, 3, TOPICS);
  expect(await tallyman.run(['consume'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/not a multiple .*--accept-repeats.*\[PARTITIONS_ADDED\]/) as string,
  });
  expect(await tallyman.run(['grow', '--partitions', '4'])).toMatchObject({
    code: 3,
    stderr: expect.stringMatching(/may count twice.*\[PARTITIONS_MISFIT\]/) as string,
  });
  await tallyman.ok('grow', '--partitions', '4', '--accept-repeats');
  const load = run.load(tallyman, { events: 1_000 });
  await load.done;
  await run.finish(tallyman);
  await run.judge(tallyman, load.published);
});

fault('partitions added under a consumer: nothing that was published since is counted', async (run) => {
  const tallyman = await run.install(2);
  const consumer = run.consume(tallyman);
  const load = run.load(tallyman, { events: 3_000 });
  await load.done;
  await run.settle(tallyman, load.published);
  await addPartitions(run, tallyman, 4, TOPICS);
  const repeats = run.load(tallyman, { events: 3_000 });
  await repeats.done;
  expect(await consumer.ended()).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('[PARTITIONS_ADDED]') as string,
  });
  expect(await run.applied(tallyman)).toBe(load.published);
  await tallyman.ok('grow', '--partitions', '4');
  await run.finish(tallyman);
  await run.judge(tallyman, load.published + repeats.published);
});

const TOPICS = ['session', 'transfer', 'agent', 'inference'];

/** As `kafka-topics --alter` does. */
function addPartitions(
  run: FaultRun,
  { prefix }: Installation,
  count: number,
  topics: readonly string[],
): Promise<void> {
  return withKafka(run.world, async (client) => {
    const admin = await client.admin();
    const topicPartitions = topics.map((topic) => ({ topic: `${prefix}.usage.${topic}`, count }));
    await admin.createPartitions({ topicPartitions });
    await eventually(async () => {
      const names = topicPartitions.map(({ topic }) => topic);
      const { topics: found } = await admin.fetchTopicMetadata({ topics: names });
      return found.every(({ partitions }) => partitions.length === count);
    });
  });
}

fault(
  'a close with two of the four consumers running: it waits, names what lags, and gives up',
  async (run) => {
    const tallyman = await run.install(2);
    const load = run.load(tallyman, { events: 1_000 });
    await load.done;
    const before = await readContent(run.world.direct.REDIS_URL, tallyman.prefix);
    const consumer = run.consume(tallyman, 'session', 'transfer');
    const close = await tallyman.run([...CLOSE, '--stall', '12s']);
    expect(close.code).toBe(1);
    for (const place of ['usage.agent/0', 'usage.agent/1', 'usage.inference/0', 'usage.inference/1']) {
      expect(close.stderr).toMatch(new RegExp(`are not applied yet .*${place}.*are the consumers running`));
      expect(close.stderr).toMatch(new RegExp(`waiting for the consumers: .*partitions behind.*${place}`));
    }
    expect(close.stderr).not.toMatch(/are not applied yet .*usage.(session|transfer)/);

    const interrupted = run.start(tallyman, ...CLOSE, '--stall', '5m');
    await eventually(() => interrupted.said().includes('partitions behind'), { timeoutMs: 60_000 });
    expect(await interrupted.stop()).toMatchObject({ stdout: '' });
    await consumer.stop();
    // Nothing was closed: what is counted now is in time.
    await run.finish(tallyman);
    const { totals } = await readContent(run.world.direct.REDIS_URL, tallyman.prefix);
    expect(before.totals.size).toBe(0);
    expect([...totals.keys()].filter((name) => name.includes('@'))).toEqual([]);
    expect([...totals.keys()].some((name) => name.includes(` ${MONTH} `))).toBe(true);
    await run.judge(tallyman, load.published);
  },
);
