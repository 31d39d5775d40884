import { setTimeout as delay } from 'node:timers/promises';
import { eventually } from '../../kit/eventually';
import { faultSuite, scaled } from '../support/fault-suite';
import { MONTH_BEFORE } from '../support/load';
import { supervise } from './supervisor';

/** A broker that dies, stays away or stands still. Its disk is there when it comes back. */
const fault = faultSuite('kafka: broker');
/** Sessions run out, and servers come back. */
const TIMEOUT_MS = 300_000;

fault(
  'SIGKILL and restart under load, again and again',
  async (run) => {
    const { kafka } = run.world;
    const tallyman = await run.install();
    const consumers = supervise(run, tallyman, 2);
    let published = 0;
    for (let kill = 0; kill < 3; kill += 1) {
      const load = run.load(tallyman, { events: scaled(20_000), perSecond: 4_000, seed: run.seed + kill });
      await run.progress(tallyman);
      await delay(run.random.between(0, 1_500));
      await kafka.kill('SIGKILL');
      run.kills += 1;
      await delay(run.random.between(0, 2_000));
      await kafka.restart();
      // The publisher may have given up: what Kafka acknowledged counts, and what it took without
      // saying so.
      await load.done.catch(() => undefined);
      published += load.published;
    }
    await consumers.stop();
    await run.finish(tallyman);
    await run.judge(tallyman);
    expect(run.events).toBeGreaterThanOrEqual(published);
  },
  TIMEOUT_MS,
);

fault(
  'away for longer than a session',
  async (run) => {
    const { kafka } = run.world;
    const tallyman = await run.install();
    const load = run.load(tallyman, { events: scaled(20_000) });
    await load.done;
    const consumers = supervise(run, tallyman, 2);
    await run.progress(tallyman);
    await kafka.kill('SIGKILL');
    run.kills += 1;
    await delay(16_000);
    await kafka.restart();
    await run.settle(tallyman, load.published);
    await consumers.stop();
    await run.judge(tallyman, load.published);
  },
  TIMEOUT_MS,
);

fault(
  'standing still for longer than a session',
  async (run) => {
    const { kafka } = run.world;
    const tallyman = await run.install();
    const load = run.load(tallyman, { events: scaled(20_000) });
    await load.done;
    const consumers = supervise(run, tallyman, 2);
    await run.progress(tallyman);
    kafka.pause();
    await delay(16_000);
    kafka.resume();
    await run.settle(tallyman, load.published);
    await consumers.stop();
    await run.judge(tallyman, load.published);
  },
  TIMEOUT_MS,
);

fault(
  'restarted while a close waits',
  async (run) => {
    const { kafka } = run.world;
    const tallyman = await run.install();
    const load = run.load(tallyman, { events: scaled(10_000) });
    await load.done;
    const close = run.start(tallyman, 'close', MONTH_BEFORE, '--grace', '0s', '--stall', '3m');
    await eventually(() => close.said().includes('waiting for the consumers'), { timeoutMs: 60_000 });
    await kafka.kill('SIGKILL');
    run.kills += 1;
    await delay(16_000);
    await kafka.restart();
    const consumer = run.consume(tallyman);
    expect(await close.ended()).toMatchObject({
      code: 0,
      stderr: expect.not.stringContaining('rror') as string,
    });
    await run.settle(tallyman, load.published);
    await consumer.stop();
    await run.judge(tallyman, load.published);
  },
  TIMEOUT_MS,
);
