import { usageTopics } from '../../../src/kafka/topics/topics';
import type { Finding } from '../../../src/lib/finding';
import { faultSuite } from '../support/fault-suite';
import { MONTH_BEFORE } from '../support/load';
import {
  contentOf,
  counted,
  cutLog,
  emptyRedis,
  EVENTS,
  expectStop,
  loseLogEnd,
  pausedConsumer,
  replaceTopic,
  sessionOf,
} from './lost-log';

/**
 * Events that are gone from the log must stop what counts it, and no other event may pass for them.
 */
const fault = faultSuite('kafka: lost log');

for (const [what, events] of [
  ['shorter than', 100],
  ['longer than', 3 * EVENTS],
] as const) {
  fault(`nothing runs on a recreated topic whose log is ${what} the cursor`, async (run) => {
    const tallyman = await counted(run);
    const before = await contentOf(run, tallyman);
    await replaceTopic(run, tallyman, events);

    expectStop(await tallyman.run(['consume']), 'TOPIC_REPLACED');
    expectStop(await tallyman.run(['consume', '--until-caught-up']), 'TOPIC_REPLACED');
    expectStop(await tallyman.run(['close', MONTH_BEFORE, '--grace', '0s']), 'TOPIC_REPLACED');
    expectStop(await tallyman.run(['init']), 'TOPIC_REPLACED', 3);
    const doctor = await tallyman.run(['doctor', '--json']);
    expect(doctor.code).toBe(1);
    expect((JSON.parse(doctor.stdout) as { findings: Finding[] }).findings).toContainEqual(
      expect.objectContaining({ level: 'error', subject: sessionOf(tallyman) }),
    );
    expect(await contentOf(run, tallyman)).toEqual(before);

    // The others are as they were.
    const rest = run.load(tallyman, { events: 500, mix: { 'usage.transfer': 1 }, seed: run.seed + 2 });
    await rest.done;
    await tallyman.ok('consume', 'transfer', 'agent', 'inference', '--until-caught-up');
    const after = await contentOf(run, tallyman);
    for (const [name, cursor] of before.cursors) {
      if (name.includes('session')) expect(after.cursors.get(name)).toBe(cursor);
    }
  });
}

fault('a broker that lost the end of a log with its power: nothing runs on it', async (run) => {
  const tallyman = await counted(run);
  const before = await contentOf(run, tallyman);
  await loseLogEnd(run, `${sessionOf(tallyman)}-0`);
  for (const words of [
    ['consume'],
    ['consume', '--until-caught-up'],
    ['close', MONTH_BEFORE, '--grace', '0s'],
  ]) {
    expectStop(await tallyman.run(words), 'CURSOR_PAST_LOG_END');
  }
  const doctor = await tallyman.run(['doctor']);
  const cursor = `'${tallyman.prefix}:usage:{0}:cursor' ${sessionOf(tallyman)}`;
  expect(doctor).toMatchObject({ code: 1, stdout: expect.stringContaining(cursor) as string });
  expect(await contentOf(run, tallyman)).toEqual(before);
});

fault('records deleted before they were counted: EVENTS_GONE, and nothing is skipped', async (run) => {
  const tallyman = await counted(run);
  const load = run.load(tallyman, { events: EVENTS, seed: run.seed + 1 });
  await load.done;
  const before = await contentOf(run, tallyman);
  await cutLog(run, sessionOf(tallyman));
  for (const words of [
    ['consume', 'session'],
    ['consume', '--until-caught-up'],
    ['close', MONTH_BEFORE, '--grace', '0s'],
  ]) {
    expectStop(await tallyman.run(words), 'EVENTS_GONE');
  }
  expect(await contentOf(run, tallyman)).toEqual(before);
  await tallyman.ok('consume', 'transfer', 'agent', 'inference', '--until-caught-up');
  const after = await contentOf(run, tallyman);
  for (const topic of usageTopics(tallyman.prefix)) {
    const moved = after.cursors.get(`${topic}/0`)! - before.cursors.get(`${topic}/0`)!;
    expect(moved > 0).toBe(topic !== sessionOf(tallyman));
  }
});

fault('records deleted under a consumer that stands still', async (run) => {
  const tallyman = await counted(run);
  const consumer = await pausedConsumer(run, tallyman);
  const before = await contentOf(run, tallyman);
  const load = run.load(tallyman, { events: EVENTS, seed: run.seed + 1 });
  await load.done;
  await cutLog(run, sessionOf(tallyman));
  consumer.resume();
  expectStop(await consumer.ended(), 'EVENTS_GONE');
  expect(await contentOf(run, tallyman)).toEqual(before);
});

fault('records deleted after they were counted: nothing happens', async (run) => {
  const tallyman = await counted(run);
  const before = await contentOf(run, tallyman);
  await cutLog(run, sessionOf(tallyman));
  await run.finish(tallyman);
  expect(await contentOf(run, tallyman)).toEqual(before);
});

fault('rebuild refuses a topic that was recreated since the last close', async (run) => {
  const tallyman = await counted(run);
  await tallyman.ok('close', MONTH_BEFORE, '--grace', '0s');
  await replaceTopic(run, tallyman, 100);
  await emptyRedis(run, tallyman);
  expectStop(await tallyman.run(['rebuild']), 'TOPIC_REPLACED', 3);
});
