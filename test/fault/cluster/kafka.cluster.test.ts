import type { NativeService } from '../../../src/dev/services/service';
import { createWorkload } from '../../../src/oracle/workload';
import { eventually } from '../../kit/eventually';
import { publishNext } from '../../kit/kafka/publish-next';
import { growUnderLoad } from '../kafka/grow';
import { scaled } from '../support/fault-suite';
import { MONTH, PROJECTS } from '../support/load';
import { clusterSuite, install } from './cluster-world';
import { counting, end } from './counting';
import { installUnsafe, moveLeaders, setMinInSync, untilInSync } from './kafka-operations';

const onCluster = clusterSuite('cluster: kafka');
const LONG = 900_000;

for (const [signal, how] of [
  ['SIGKILL', 'is killed'],
  ['SIGTERM', 'is restarted in good order'],
] as const) {
  onCluster(
    `each broker ${how}, one after the other: no consumer ends`,
    async (run) => {
      const all = await counting(run);
      for (const broker of run.world.brokers) {
        await broker.kill(signal);
        run.kills += signal === 'SIGKILL' ? 1 : 0;
        await run.progress(all.tallyman);
        await broker.restart();
        await untilInSync(run.world, all.tallyman.prefix);
        await run.progress(all.tallyman);
      }
      await end(run, all);
    },
    LONG,
  );
}

onCluster(
  'every partition gets another leader, three times, while all brokers run',
  async (run) => {
    const all = await counting(run);
    for (let round = 0; round < 3; round += 1) {
      await moveLeaders(run.world, all.tallyman.prefix);
      await run.progress(all.tallyman);
    }
    await end(run, all);
  },
  LONG,
);

onCluster(
  'fewer copies in sync than a write needs, twice: writes are refused, and what was taken counts once',
  async (run) => {
    const tallyman = await install(run);
    const { prefix } = tallyman;
    const consumers = [run.supervise(tallyman), run.supervise(tallyman)];
    const workload = createWorkload({ seed: run.seed, month: MONTH, projects: PROJECTS, events: 1_000_000 });
    let taken = 0;
    /** A broker may not have heard of the latest setting yet, so this may take several attempts. */
    const publishes = (isTaken: boolean): Promise<boolean> =>
      eventually(
        async () => {
          const was = await publishNext(tallyman, workload, 1_000).then(
            () => true,
            () => false,
          );
          if (was) taken += 1_000;
          return was === isTaken;
        },
        { timeoutMs: 120_000, what: `a write is ${isTaken ? 'taken' : 'refused'}` },
      );
    await publishes(true);
    // A consumer that loses a broker while it starts ends, and its supervisor starts it again.
    await run.settle(tallyman, taken);
    for (const broker of run.world.brokers.slice(0, 2)) {
      await setMinInSync(run.world, prefix, 3);
      await broker.kill('SIGKILL');
      run.kills += 1;
      await publishes(false);
      await setMinInSync(run.world, prefix, 2);
      // With the broker still away.
      await publishes(true);
      await broker.restart();
      await untilInSync(run.world, prefix);
    }
    await run.settle(tallyman, taken);
    expect(consumers.flatMap(({ ends }) => ends)).toEqual([]);
    await Promise.all(consumers.map((consumer) => consumer.stop()));
    await run.finish(tallyman);
    await run.judge(tallyman);
  },
  LONG,
);

onCluster(
  'an unclean election loses counted events, twice: consumers and closes stop with LOG_DIVERGED',
  async (run) => {
    const [first, second] = run.world.brokers as [NativeService, NativeService, NativeService];
    for (let round = 0; round < 2; round += 1) {
      const { tallyman, publish, led } = await installUnsafe(run);
      await led(1, 2);
      await publish(500);
      await second.kill('SIGKILL');
      await led(1);
      await publish(500);
      await run.finish(tallyman);
      // One copy is away with what was counted last, and the other one lacks it.
      await first.kill('SIGKILL');
      await second.restart();
      await led(2);
      run.kills += 2;
      await publish(1_000);
      for (const words of [['consume'], ['consume', '--until-caught-up'], ['close', MONTH]]) {
        const { code, stderr } = await tallyman.run(words);
        expect({ words, code, stderr }).toMatchObject({
          ...{ code: 1, stderr: expect.stringContaining('[LOG_DIVERGED]') as string },
        });
      }
      await first.restart();
    }
    run.note([]);
  },
  LONG,
);

onCluster(
  '12 to 24 partitions under load, three consumers, across a close',
  (run) =>
    growUnderLoad(
      run,
      {
        ...{ from: 12, to: 24, events: scaled(60_000, 4_000), perSecond: 2_000 },
        ...{ consumers: 3, kills: 5 },
      },
      ...['--replication', '3'],
    ),
  LONG,
);
