import { setTimeout as delay } from 'node:timers/promises';
import { faultSuite, scaled, type FaultInstallation, type FaultRun } from './support/fault-suite';
import type { FaultWorld } from './support/fault-world';
import { judgeInvoices, setPlans } from './support/invoices';
import { isRequest } from './support/kafka-protocol';
import { MONTH, MONTH_BEFORE, PROJECTS } from './support/load';
import type { Caught } from './support/proxy';
import { appendOnlyFile, loseTail } from './support/redis-faults';
import { isCommand, isFreeze } from './support/redis-protocol';

const fault = faultSuite('close');

const LONG = 900_000;
const MONTHS = [MONTH_BEFORE, MONTH];
const close = (month: string): string[] => ['close', month, '--grace', '0s'];

/** Between which steps of the close it is killed, and how it is held there until it is dead. */
const POINTS: readonly (readonly [point: string, hold: (world: FaultWorld) => Promise<Caught>])[] = [
  ['before the first shard is frozen', ({ redisProxy }) => redisProxy.catch('request', isFreeze(0))],
  ['one shard is frozen, the next is not', ({ redisProxy }) => redisProxy.catch('reply', isFreeze(0))],
  ['all shards are frozen', ({ redisProxy }) => redisProxy.catch('reply', isFreeze(1))],
  ['before its record is agreed on', ({ redisProxy }) => redisProxy.catch('request', isCommand('HSETNX', 'closes'))],
  ['its record is agreed on', ({ redisProxy }) => redisProxy.catch('reply', isCommand('HSETNX', 'closes'))],
  ['before its record is in Kafka', ({ kafkaProxy }) => kafkaProxy.catch('request', isRequest('Produce', 'billing.closes'))],
  ['its record is in Kafka', ({ kafkaProxy }) => kafkaProxy.catch('reply', isRequest('Produce', 'billing.closes'))],
  ['before the invoices are in Kafka', ({ kafkaProxy }) => kafkaProxy.catch('request', isRequest('Produce', 'billing.invoices'))],
  ['the invoices are in Kafka', ({ kafkaProxy }) => kafkaProxy.catch('reply', isRequest('Produce', 'billing.invoices'))],
  ['before the invoices are shown', ({ redisProxy }) => redisProxy.catch('request', isCommand('EVALSHA', 'billing:invoices-shown'))],
  ['the invoices are shown', ({ redisProxy }) => redisProxy.catch('reply', isCommand('EVALSHA', 'billing:invoices-shown'))],
]; // prettier-ignore

const FEW = PROJECTS.slice(0, 6);

/** An installation with usage of both months, all of it applied. */
async function withUsage(run: FaultRun, events: number): Promise<FaultInstallation> {
  const tallyman = await run.install(2);
  await setPlans(tallyman, FEW);
  await publish(run, tallyman, events);
  return tallyman;
}

/** Publishes more, and takes it into the totals. What is of a closed month is late. */
async function publish(run: FaultRun, tallyman: FaultInstallation, events: number): Promise<void> {
  const seed = run.random.between(1, 1_000_000);
  await run.load(tallyman, { seed, events, projects: FEW, monthBefore: 0.3 }).done;
  await run.finish(tallyman);
}

fault(
  'killed between any two of its steps, then run by two at once',
  async (run) => {
    for (const [, hold] of POINTS) {
      const tallyman = await withUsage(run, 1_500);
      const holding = hold(run.world);
      const closing = run.start(tallyman.proxied, ...close(MONTH_BEFORE));
      const caught = await holding;
      await run.kill(closing);
      // Bytes that were sent may arrive after their sender's death.
      if (run.random.chance(0.5)) caught.cut();
      else caught.pass();
      await publish(run, tallyman, 500);

      const both = await Promise.all([tallyman.run(close(MONTH_BEFORE)), tallyman.run(close(MONTH_BEFORE))]);
      expect(both.map(({ code, stderr }) => [code, stderr])).toEqual([
        [0, expect.any(String)],
        [0, expect.any(String)],
      ]);
      await publish(run, tallyman, 500);
      await tallyman.ok(...close(MONTH));
      run.note(await judgeInvoices(run.world, tallyman, MONTHS, FEW));
      await run.judge(tallyman, 2_500);
    }
  },
  LONG,
);

fault(
  'killed at every step in turn, each time a little further, and run to its end twice',
  async (run) => {
    const tallyman = await withUsage(run, 3_000);
    for (const [, hold] of POINTS) {
      const holding = hold(run.world);
      const closing = run.start(tallyman.proxied, ...close(MONTH_BEFORE));
      // What an earlier run has issued is not issued again, so the last points may not come.
      const caught = await Promise.race([
        holding.catch(() => undefined),
        closing.ended().then(() => undefined),
      ]);
      await run.kill(closing);
      caught?.cut();
      await run.world.redisProxy.restore();
      await run.world.kafkaProxy.restore();
    }
    await tallyman.ok(...close(MONTH_BEFORE));
    await tallyman.ok(...close(MONTH_BEFORE));
    await publish(run, tallyman, 1_000);
    await tallyman.ok(...close(MONTH));
    run.note(await judgeInvoices(run.world, tallyman, MONTHS, FEW));
    await run.judge(tallyman, 4_000);
  },
  LONG,
);

fault(
  'killed at random moments while events pour in and the group changes hands',
  async (run) => {
    const tallyman = await run.install(4);
    await setPlans(tallyman);
    const load = run.load(tallyman, { events: 1_000_000, perSecond: 2_500, monthBefore: 0.2 });
    const consumers = [run.consume(tallyman), run.consume(tallyman)];
    await run.progress(tallyman);
    for (let round = 0; round < scaled(8, 3); round += 1) {
      const closing = run.start(tallyman, ...close(MONTH_BEFORE));
      consumers.push(run.consume(tallyman));
      await run.kill(consumers.shift()!);
      await delay(run.random.between(0, 4_000));
      await run.kill(closing);
    }
    const both = await Promise.all([tallyman.run(close(MONTH_BEFORE)), tallyman.run(close(MONTH_BEFORE))]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    await run.progress(tallyman); // Late usage, too.
    await load.stop();
    await tallyman.ok(...close(MONTH));
    run.note(await judgeInvoices(run.world, tallyman, MONTHS));
    await run.judge(tallyman, load.published);
  },
  LONG,
);

fault(
  'Redis loses a close with its tail while consumers run: late usage stays late, no invoice changes',
  async (run) => {
    const tallyman = await run.install(2);
    await setPlans(tallyman, FEW);
    const consumers = [run.supervise(tallyman)];
    const first = run.load(tallyman, { events: 3_000, projects: FEW, monthBefore: 0.3 });
    await first.done;
    await run.settle(tallyman, first.published);

    // All but the close is kept: no cursor goes back, and nothing tells the consumers that something is lost.
    const { bytes } = appendOnlyFile(run.world.redis);
    await tallyman.ok(...close(MONTH_BEFORE));
    await loseTail(run.world.redis, bytes);
    run.kills += 1;
    const late = run.load(tallyman, { seed: run.seed + 1, events: 3_000, projects: FEW, monthBefore: 0.3 });
    await late.done;
    await run.settle(tallyman, first.published + late.published);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await run.judge(tallyman, 6_000);

    await tallyman.ok(...close(MONTH_BEFORE));
    await tallyman.ok(...close(MONTH));
    run.note(await judgeInvoices(run.world, tallyman, MONTHS, FEW));
  },
  LONG,
);
