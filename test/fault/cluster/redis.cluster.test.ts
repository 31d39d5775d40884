import { setTimeout as delay } from 'node:timers/promises';
import type { NativeService } from '../../../src/dev/services/service';
import { eventually } from '../../kit/eventually';
import { openRedis } from '../../kit/redis/open-redis';
import type { FaultInstallation } from '../support/fault-suite';
import { clusterSuite, PARTITIONS, untilReplicated, type ClusterRun } from './cluster-world';
import { onRedis } from '../support/proxy/redis-faults';
import { counting, end } from './counting';
import {
  cutOff,
  failOver,
  idOf,
  moveSlot,
  pairs,
  placeOf,
  redisCli,
  slotCountOf,
  untilMaster,
} from './redis-operations';

const onCluster = clusterSuite('cluster: redis');

const LONG = 900_000;

async function shardsOf(
  { world }: ClusterRun,
  { prefix }: FaultInstallation,
  master: NativeService,
): Promise<number[]> {
  const shards: number[] = [];
  for (let shard = 0; shard < PARTITIONS; shard += 1)
    if ((await placeOf(world, prefix, shard)).master === master) shards.push(shard);
  return shards;
}

onCluster(
  'each master dies in turn, and its replica takes over: no consumer ends',
  async (run) => {
    const all = await counting(run);
    for (const { master, replica } of await pairs(run.world)) {
      await run.progress(all.tallyman);
      await master.kill('SIGKILL');
      run.kills += 1;
      await untilMaster(replica);
      await run.progress(all.tallyman);
      await master.restart();
      await untilReplicated(run.world.redisNodes);
    }
    await end(run, all);
  },
  LONG,
);

onCluster(
  'each master dies in turn, and its replica lacks what was counted last',
  async (run) => {
    const all = await counting(run);
    for (const { master, replica } of await pairs(run.world)) {
      const reconnect = await cutOff(replica);
      for (const shard of await shardsOf(run, all.tallyman, master))
        await run.progress(all.tallyman, `/${shard}`);
      const lost = (): number =>
        all.consumers.reduce((sum, one) => sum + one.said().split('going back').length - 1, 0);
      const before = lost();
      await master.kill('SIGKILL');
      run.kills += 1;
      await untilMaster(replica);
      await eventually(() => lost() > before, { timeoutMs: 60_000, what: 'a consumer goes back' });
      await run.progress(all.tallyman);
      await master.restart();
      await reconnect();
      await untilReplicated(run.world.redisNodes);
    }
    await end(run, all);
  },
  LONG,
);

onCluster(
  'CLUSTER FAILOVER of each pair, there and back',
  async (run) => {
    const all = await counting(run);
    for (let round = 0; round < 2; round += 1) {
      for (const pair of await pairs(run.world)) {
        await failOver(pair);
        await run.progress(all.tallyman);
        await untilReplicated(run.world.redisNodes);
      }
    }
    await end(run, all);
  },
  LONG,
);

onCluster(
  'the slot of each shard moves to another master, with a pause in the middle',
  async (run) => {
    const all = await counting(run);
    const { tallyman } = all;
    const redis = openRedis(run.world.direct.REDIS_URL);
    const cursors = async (shard: number): Promise<number> =>
      Object.values(await redis.hgetall(`${tallyman.prefix}:usage:{${shard}}:cursor`))
        .map(Number)
        .reduce((sum, offset) => sum + offset, 0);
    for (let shard = 0; shard < PARTITIONS; shard += 1) {
      const { slot, master } = await placeOf(run.world, tallyman.prefix, shard);
      const to = (await pairs(run.world)).map((pair) => pair.master).find((one) => one !== master)!;
      await moveSlot(run.world, slot, [master, to], async () => {
        const other = (shard + 1) % PARTITIONS;
        const [held, otherBefore] = [await cursors(shard), await cursors(other)];
        // Longer than the client itself tries again.
        await delay(3_000);
        await eventually(async () => (await cursors(other)) > otherBefore, { timeoutMs: 60_000 });
        expect(await cursors(shard)).toBe(held);
      });
      await eventually(async () => (await cursors(shard)) > 0, { timeoutMs: 60_000 });
      await run.progress(tallyman);
    }
    redis.disconnect();
    await end(run, all);
  },
  LONG,
);

onCluster(
  'one shard has neither master nor replica: the others are counted, and it waits',
  async (run) => {
    const all = await counting(run);
    const { world } = run;
    const full = (value: string): Promise<unknown> =>
      Promise.all(
        world.redisNodes.map((node) =>
          onRedis(node, (client) => client.config('SET', 'cluster-require-full-coverage', value)),
        ),
      );
    await full('no');
    const { master } = await placeOf(world, all.tallyman.prefix, 0);
    const gone = (await pairs(world)).find((pair) => pair.master === master)!;
    const held = await shardsOf(run, all.tallyman, master);
    const others = Array.from({ length: PARTITIONS }, (_, shard) => shard).filter(
      (shard) => !held.includes(shard),
    );
    await Promise.all([gone.master.kill('SIGKILL'), gone.replica.kill('SIGKILL')]);
    run.kills += 2;
    const redis = openRedis(world.direct.REDIS_URL);
    for (const shard of others) {
      const key = `${all.tallyman.prefix}:usage:{${shard}}:cursor`;
      const before = JSON.stringify(await redis.hgetall(key));
      await eventually(async () => JSON.stringify(await redis.hgetall(key)) !== before, {
        timeoutMs: 120_000,
        what: `shard ${shard} is counted while shard 0 is away`,
      });
    }
    redis.disconnect();
    await Promise.all([gone.master.restart(), gone.replica.restart()]);
    await full('yes');
    await end(run, all);
  },
  LONG,
);

onCluster(
  'the whole cluster is down, and comes back',
  async (run) => {
    const all = await counting(run);
    for (let round = 0; round < 2; round += 1) {
      await Promise.all(run.world.redisNodes.map((node) => node.kill('SIGKILL')));
      run.kills += run.world.redisNodes.length;
      await delay(10_000);
      await Promise.all(run.world.redisNodes.map((node) => node.restart()));
      await untilReplicated(run.world.redisNodes);
      await run.progress(all.tallyman);
    }
    await end(run, all);
  },
  LONG,
);

// The last case: the cluster has a master less afterwards.
onCluster(
  'a master gives its slots away by redis-cli, leaves, and comes back without any',
  async (run) => {
    const all = await counting(run);
    const [first, second] = await pairs(run.world);
    const { world } = run;
    const [fromId, toId] = [await idOf(world, first!.master), await idOf(world, second!.master)];
    const asked = second!.master.address;
    await eventually(async () => (await redisCli('check', asked)).includes('All nodes agree'), {
      timeoutMs: 60_000,
    });
    await redisCli(
      ...['reshard', asked, '--cluster-from', fromId, '--cluster-to', toId],
      ...['--cluster-slots', await slotCountOf(world, first!.master), '--cluster-yes'],
    );
    await run.progress(all.tallyman);
    await redisCli('del-node', asked, fromId);
    await run.progress(all.tallyman);
    await redisCli('add-node', first!.master.address, asked);
    await end(run, all);
  },
  LONG,
);
