import { setTimeout as delay } from 'node:timers/promises';
import { faultSuite, scaled, type FaultRun } from '../support/fault-suite';
import { isRequest } from '../support/proxy/kafka-protocol';
import { supervise } from './supervisor';

/**
 * A network between the consumers and Kafka that breaks, lags and swallows. The publisher is on the
 * other side of it.
 */
const fault = faultSuite('kafka: network');
/** Sessions run out, members join and leave, time-outs pass. */
const TIMEOUT_MS = 300_000;

/** Counts a log through the proxy while it is disturbed, and ends undisturbed. */
async function disturbed(run: FaultRun, disturb: () => Promise<void>): Promise<void> {
  const tallyman = await run.install();
  const load = run.load(tallyman, { events: scaled(20_000), perSecond: 2_000 });
  const consumers = supervise(run, { ...tallyman.proxied, proxied: tallyman.proxied }, 2);
  await run.progress(tallyman);
  await disturb();
  await load.done;
  await run.world.kafkaProxy.restore();
  await run.settle(tallyman, load.published);
  await consumers.stop();
  await run.judge(tallyman, load.published);
}

fault(
  'answers to a fetch cut in the middle',
  (run) =>
    disturbed(run, async () => {
      for (let cut = 0; cut < 5; cut += 1) {
        const answer = await run.world.kafkaProxy.catch('reply', isRequest('Fetch', 'usage.session'));
        answer.cutMidway();
        await delay(run.random.between(0, 1_500));
      }
    }),
  TIMEOUT_MS,
);

fault(
  'every connection cut, again and again',
  (run) =>
    disturbed(run, async () => {
      for (let cut = 0; cut < 10; cut += 1) {
        run.world.kafkaProxy.cut();
        await delay(run.random.between(100, 2_000));
      }
    }),
  TIMEOUT_MS,
);

fault(
  'a latency beyond every time-out',
  (run) =>
    disturbed(run, async () => {
      run.world.kafkaProxy.delay(7_000);
      await delay(25_000);
      run.world.kafkaProxy.delay(0);
    }),
  TIMEOUT_MS,
);

fault(
  'swallowed for longer than a session, then healed',
  (run) =>
    disturbed(run, async () => {
      for (let pause = 0; pause < 2; pause += 1) {
        run.world.kafkaProxy.pause();
        await delay(14_000);
        run.world.kafkaProxy.resume();
        await delay(run.random.between(0, 5_000));
      }
    }),
  TIMEOUT_MS,
);

fault(
  'swallowed, and broken when it heals',
  (run) =>
    disturbed(run, async () => {
      run.world.kafkaProxy.pause();
      await delay(12_000);
      run.world.kafkaProxy.cut();
      run.world.kafkaProxy.resume();
    }),
  TIMEOUT_MS,
);

fault(
  'refused for longer than a session',
  (run) =>
    disturbed(run, async () => {
      await run.world.kafkaProxy.goAway();
      await delay(15_000);
      await run.world.kafkaProxy.comeBack();
    }),
  TIMEOUT_MS,
);
