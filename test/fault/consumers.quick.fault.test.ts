import { setTimeout as delay } from 'node:timers/promises';
import { faultSuite } from './support/fault-suite';
import { isApply } from './support/redis-protocol';

const fault = faultSuite('consumers');

fault('SIGKILL under load, and between the apply and its reply', async (run) => {
  const tallyman = await run.install();
  const load = run.load(tallyman, { events: 60_000, perSecond: 6_000 });

  const atRandom = run.consume(tallyman);
  await run.progress(tallyman);
  await delay(run.random.between(0, 1_000));
  await run.kill(atRandom);

  const beforeItsReply = run.consume(tallyman.proxied);
  const reply = await run.world.redisProxy.catch('reply', isApply);
  await run.kill(beforeItsReply);
  reply.cut();

  await load.done;
  await run.finish(tallyman);
  await run.judge(tallyman, load.published);
});
