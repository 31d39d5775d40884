import { eventually } from '../kit/eventually';
import { faultSuite } from './support/fault-suite';
import { judgeInvoices, setPlans } from './support/invoices';
import { isRequest } from './support/proxy/kafka-protocol';
import { MONTH, MONTH_BEFORE } from './support/load';
import { onRedis } from './support/proxy/redis-faults';
import { isApply, isFreeze, partitionOf } from './support/proxy/redis-protocol';

/** The quick half of the fault suite: a bit of each of its kinds, in every `npm test`. */
const fault = faultSuite('quick');

const LOAD = { events: 200_000, perSecond: 1_500 };

fault(
  'a lost reply, an apply that arrives when another has taken over, SIGKILL before the reply',
  async (run) => {
    const tallyman = await run.install();
    const load = run.load(tallyman, LOAD);
    const { redisProxy } = run.world;
    const first = run.consume(tallyman.proxied);
    await run.progress(tallyman);
    (await redisProxy.catch('reply', isApply)).cut();
    await run.progress(tallyman);

    const held = await redisProxy.catch('request', isApply);
    first.pause();
    const second = run.consume(tallyman.proxied);
    const place = partitionOf(held.exchange);
    const before = await run.applied(tallyman, place);
    await eventually(async () => (await run.applied(tallyman, place)) > before, { timeoutMs: 60_000 });
    held.pass();
    first.resume();
    await run.progress(tallyman);

    const caught = await redisProxy.catch('reply', isApply);
    await Promise.all([run.kill(first), run.kill(second)]);
    caught.cut();
    await load.stop();
    await run.finish(tallyman);
    await run.judge(tallyman, load.published);
  },
);

fault(
  'SCRIPT FLUSH, then FLUSHALL: the consumer stops and says why, and a rebuild comes out equal',
  async (run) => {
    const tallyman = await run.install(2);
    const load = run.load(tallyman, LOAD);
    const consumer = run.consume(tallyman);
    await run.progress(tallyman);
    await onRedis(run.world.redis, (redis) => redis.script('FLUSH'));
    await run.progress(tallyman);

    await onRedis(run.world.redis, (redis) => redis.flushall());
    expect(await consumer.ended()).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('UNINITIALISED'),
    });
    await load.stop();
    await tallyman.ok('rebuild');
    await run.judge(tallyman, load.published);
  },
);

fault('a close killed between two freezes, then between ledger and Redis', async (run) => {
  const tallyman = await run.install(2);
  await setPlans(tallyman);
  const load = run.load(tallyman, { events: 4_000, monthBefore: 0.2 });
  await load.done;
  await run.finish(tallyman);
  const { redisProxy, kafkaProxy } = run.world;
  const close = (month: string): string[] => ['close', month, '--grace', '0s'];
  for (const holding of [
    () => redisProxy.catch('reply', isFreeze(0)),
    () => kafkaProxy.catch('reply', isRequest('Produce', 'billing.invoices')),
  ]) {
    const caught = holding();
    const closing = run.start(tallyman.proxied, ...close(MONTH_BEFORE));
    const held = await caught;
    await run.kill(closing);
    held.cut();
  }
  const late = run.load(tallyman, { seed: run.seed + 1, events: 1_000, monthBefore: 0.5 });
  await late.done;
  await run.finish(tallyman);
  const both = await Promise.all([tallyman.run(close(MONTH_BEFORE)), tallyman.run(close(MONTH_BEFORE))]);
  // Whichever begins later takes over: the other one then either has ended already, or is fenced.
  const failed = both.filter(({ code }) => code !== 0);
  expect(failed.length).toBeLessThan(both.length);
  for (const { stderr } of failed) expect(stderr).toContain('[CLOSE_FENCED]');
  await tallyman.ok(...close(MONTH));
  run.note(await judgeInvoices(run.world, tallyman, [MONTH_BEFORE, MONTH]));
  await run.judge(tallyman, load.published + late.published);
});
