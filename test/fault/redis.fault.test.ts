import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { eventually } from '../kit/eventually';
import type { Installation } from '../kit/tallyman';
import { faultSuite, scaled } from './support/fault-suite';
import { judgeInvoices, setPlans } from './support/invoices';
import { MONTH, MONTH_BEFORE, PROJECTS } from './support/load';
import {
  appendOnlyFile,
  loseTail,
  onRedis,
  restartCleanly,
  tearTransaction,
} from './support/proxy/redis-faults';
import { isApply } from './support/proxy/redis-protocol';

const FEW = PROJECTS.slice(0, 6);

const [CLI, SNAPSHOT] = ['../../dist/src/cli/tallyman.js', '../../deploy/snapshot.sh'].map((file) =>
  join(__dirname, file),
);

/**
 * What ops and finance read, by the script that they have for it: every project's totals, and every
 * invoice.
 */
async function told({ env }: Installation): Promise<string> {
  const TALLYMAN = `${process.execPath} ${CLI}`;
  const { stdout } = await promisify(execFile)(SNAPSHOT!, [MONTH_BEFORE, MONTH], {
    env: { ...env, TALLYMAN },
    maxBuffer: 64 * 1_048_576,
  });
  return stdout;
}

const fault = faultSuite('redis');

const LONG = 600_000;
const ROUNDS = scaled(10, 3);
/** As long as the case lasts; the servers, not the rate, are what it is about. */
const LOAD = { events: 1_000_000, perSecond: 1_500 };

fault(
  'Redis killed and restarted over and over, its append-only file synced every second',
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, LOAD);
    const consumers = [run.supervise(tallyman), run.supervise(tallyman)];
    for (let round = 0; round < ROUNDS; round += 1) {
      await run.progress(tallyman);
      await delay(run.random.between(0, 1_000));
      await run.world.redis.kill('SIGKILL');
      run.kills += 1;
      await run.world.redis.restart();
    }
    await load.stop();
    await run.settle(tallyman, load.published);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await run.judge(tallyman, load.published);
  },
  LONG,
);

fault(
  'Redis comes back without the tail of its append-only file: the totals heal by themselves',
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, LOAD);
    const consumers = [run.supervise(tallyman), run.supervise(tallyman)];
    for (let round = 0; round < ROUNDS; round += 1) {
      await run.progress(tallyman);
      const { bytes } = appendOnlyFile(run.world.redis);
      await run.progress(tallyman);
      // In the middle of a record, as often as not: Redis drops it whole.
      await loseTail(run.world.redis, bytes + run.random.between(0, 50));
      run.kills += 1;
    }
    await load.stop();
    await run.settle(tallyman, load.published);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    expect(consumers.map((consumer) => consumer.said()).join('')).toContain('going back');
    await run.judge(tallyman, load.published);
  },
  LONG,
);

fault(
  "a file torn inside a script's writes, at any of them, and two clean restarts after each",
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, LOAD);
    const consumers = [run.supervise(tallyman), run.supervise(tallyman)];
    let torn = 0;
    for (let round = 0; round < 2 * ROUNDS; round += 1) {
      await run.progress(tallyman);
      const { redis } = run.world;
      if (await tearTransaction(redis, (records) => run.random.between(1, records))) torn += 1;
      run.kills += 1;
      for (let restarts = 0; restarts < 2; restarts += 1) {
        await run.progress(tallyman);
        await restartCleanly(redis);
      }
    }
    expect(torn).toBeGreaterThan(ROUNDS);
    await load.stop();
    await run.settle(tallyman, load.published);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await run.judge(tallyman, load.published);
  },
  LONG,
);

fault(
  'SCRIPT FLUSH, again and again',
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, LOAD);
    const consumers = [run.consume(tallyman), run.consume(tallyman)];
    for (let round = 0; round < 3 * ROUNDS; round += 1) {
      await run.progress(tallyman);
      await onRedis(run.world.redis, (client) => client.script('FLUSH'));
    }
    await load.stop();
    await run.settle(tallyman, load.published);
    for (const consumer of consumers) expect(await consumer.stop()).toMatchObject({ code: 0 });
    await run.judge(tallyman, load.published);
  },
  LONG,
);

fault(
  'FLUSHALL: the consumers stop and say why; rebuild gives the same totals and invoices',
  async (run) => {
    const tallyman = await run.install();
    await setPlans(tallyman, FEW);
    const load = run.load(tallyman, { ...LOAD, projects: FEW, monthBefore: 0.1 });
    const consumers = [run.consume(tallyman), run.consume(tallyman)];
    await run.progress(tallyman);
    await tallyman.ok('close', MONTH_BEFORE, '--grace', '0s');
    await run.progress(tallyman);

    await onRedis(run.world.redis, (client) => client.flushall());
    for (const consumer of consumers) {
      expect(await consumer.ended()).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('REDIS_EMPTIED'),
      });
    }
    await load.stop();
    await tallyman.ok('rebuild');
    await run.judge(tallyman, load.published);
    await tallyman.ok('close', MONTH, '--grace', '0s');
    run.note(await judgeInvoices(run.world, tallyman, [MONTH_BEFORE, MONTH], FEW));

    const before = await told(tallyman);
    for (const project of FEW) expect(before).toContain(`"project": "${project}"`);
    await onRedis(run.world.redis, (client) => client.flushall());
    const rebuilding = run.start(tallyman, 'rebuild');
    await run.progress(tallyman);
    await run.kill(rebuilding);
    await tallyman.ok('rebuild');
    expect(await told(tallyman)).toBe(before);
    expect(await tallyman.run(['verify'])).toMatchObject({ code: 0 });
    await run.judge(tallyman, load.published);
    run.note(await judgeInvoices(run.world, tallyman, [MONTH_BEFORE, MONTH], FEW));
  },
  LONG,
);

fault(
  'memory runs out, again and again, until there is more',
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, LOAD);
    const consumer = run.supervise(tallyman);
    const { redis } = run.world;
    const setLimit = (bytes: number): Promise<unknown> =>
      onRedis(redis, (client) => client.config('SET', 'maxmemory', bytes));
    for (let round = 0; round < ROUNDS; round += 1) {
      await run.progress(tallyman);
      const info = await onRedis(redis, (client) => client.info('memory'));
      await setLimit(Number(/used_memory:(\d+)/.exec(info)?.[1]) + run.random.between(0, 300_000));
      const stops = consumer.ends.length;
      await eventually(() => consumer.ends.length > stops, { timeoutMs: 90_000, what: 'the consumer stops' });
      expect(consumer.ends.at(-1)).toMatchObject({ code: 1, stderr: expect.stringContaining('OOM') });
      await setLimit(0);
    }
    await load.stop();
    await run.settle(tallyman, load.published);
    await consumer.stop();
    await run.judge(tallyman, load.published);
  },
  LONG,
);

fault(
  'Redis away for a minute',
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, LOAD);
    const consumer = run.supervise(tallyman);
    await run.progress(tallyman);
    await run.world.redis.kill('SIGTERM');
    await delay(scaled(60_000, 15_000));
    await run.world.redis.restart();
    await load.stop();
    await run.settle(tallyman, load.published);
    await consumer.stop();
    expect(consumer.ends).toEqual([]);
    await run.judge(tallyman, load.published);
  },
  LONG,
);

fault(
  'the network before Redis: lost replies, cuts in mid-stream, silence and delay past every time-out',
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, LOAD);
    const { redisProxy } = run.world;
    const consumers = [run.supervise(tallyman.proxied), run.supervise(tallyman.proxied)];
    for (let round = 0; round < ROUNDS; round += 1) {
      await run.progress(tallyman);
      (await redisProxy.catch('reply', isApply)).cut();
      (await redisProxy.catch('request', isApply)).cutMidway();
      (await redisProxy.catch('reply', isApply)).cutMidway();
      await delay(run.random.between(0, 300));
      redisProxy.cut();
    }
    // Longer than a command may take, and then longer than a session lasts.
    for (const silenceMs of [7_000, 13_000]) {
      await run.progress(tallyman);
      redisProxy.pause();
      await delay(silenceMs);
      redisProxy.resume();
      await run.progress(tallyman);
      redisProxy.delay(silenceMs);
      await delay(silenceMs);
      redisProxy.delay(0);
    }
    await load.stop();
    await run.settle(tallyman, load.published);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await run.judge(tallyman, load.published);
  },
  LONG,
);
