import { Redis } from 'ioredis';
import { startNativeKafka } from '../../src/dev/services/native-kafka';
import { createWorkload } from '../../src/oracle/workload';
import { eventually } from '../kit/eventually';
import { publishNext } from '../kit/kafka/publish-next';
import { addReplica, startRedisCluster } from '../kit/servers/redis-cluster';
import { installation, type Installation } from '../kit/tallyman';
import { faultCase, RUN_SEED } from './support/fault-case';

const PROJECTS = ['large', 'middle', 'small'];
const now = new Date();
const monthBack = (months: number): string =>
  new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() - months, 1)).toISOString().slice(0, 7);
const [month, earlier] = [monthBack(1), monthBack(2)];
const EVENTS = 4_000;

/** What the failover does not lose: a closed month, and half of the next one's usage. */
async function begin(tallyman: Installation): Promise<ReturnType<typeof createWorkload>> {
  await tallyman.ok('init', '--partitions', '3');
  for (const project of PROJECTS)
    await tallyman.ok('projects', 'set', project, '--plan', 'ship', '--from', `${earlier}-01`);
  const workload = createWorkload({
    ...{ seed: RUN_SEED, month, events: EVENTS, projects: PROJECTS, monthBefore: 0.05 },
  });
  await publishNext(tallyman, workload, EVENTS / 2);
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', earlier, '--grace', '0s');
  return workload;
}

/** What it loses: a plan, and counted usage. */
async function goOn(tallyman: Installation, workload: ReturnType<typeof createWorkload>): Promise<void> {
  await tallyman.ok('projects', 'set', 'small', '--plan', 'scale', '--from', `${month}-01`);
  await publishNext(tallyman, workload, EVENTS / 2);
  await tallyman.ok('consume', '--until-caught-up');
}

/** The month's invoices: what each project pays, and for what. */
async function close(tallyman: Installation): Promise<unknown[]> {
  await tallyman.ok('consume', '--until-caught-up');
  await tallyman.ok('close', month, '--grace', '0s');
  return Promise.all(
    PROJECTS.map(async (project) => {
      const invoice = await tallyman.json('invoices', 'show', `${project}-${month}`);
      const { number, lines, total } = invoice as { number: string; lines: unknown[]; total: string };
      return { number, lines, total };
    }),
  );
}

/** Cuts a replica off, so that it keeps what it has and learns nothing more. */
async function cutOff(replica: Redis): Promise<void> {
  await replica.call('CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'wrong');
  await replica.call('CLIENT', 'KILL', 'TYPE', 'master');
  await eventually(async () => (await replica.info('replication')).includes('master_link_status:down'));
}

faultCase(
  'redis: cluster',
  'every master dies, and the replicas that take over lack a plan and counted usage',
  async (counts) => {
    const kafka = await startNativeKafka(counts.tell);
    const cluster = await startRedisCluster('--appendonly', 'yes');
    const replicas = await Promise.all(cluster.nodes.map((_, i) => addReplica(cluster, i)));
    const clients = replicas.map(({ port }) => new Redis(port));
    try {
      const nodes = [...cluster.nodes, ...replicas].map(({ address }) => address).join(',');
      const env = { KAFKA_BROKERS: kafka.address, REDIS_URL: `redis+cluster://${nodes}` };
      const [tallyman, unharmed] = [installation(env), installation(env)];
      const workload = await begin(tallyman);
      await goOn(unharmed, await begin(unharmed));
      const expected = await close(unharmed);
      counts.events = EVENTS;

      await Promise.all(clients.map(cutOff));
      await goOn(tallyman, workload);
      await Promise.all(cluster.nodes.map((master) => master.kill('SIGKILL')));
      counts.kills = cluster.nodes.length;
      for (const client of clients) await client.cluster('FAILOVER', 'TAKEOVER');
      for (const client of clients)
        await eventually(async () => String(await client.cluster('INFO')).includes('cluster_state:ok'), {
          timeoutMs: 60_000,
        });

      const plan = (client: Redis): Promise<string | null> =>
        client.hget(`${tallyman.prefix}:billing:projects`, 'small').catch(() => null); // The other's.
      expect((await Promise.all(clients.map(plan))).join('')).toMatch(/^(?!.*scale).*ship/);

      const invoices = await close(tallyman);
      counts.differences = invoices.filter(
        (invoice, i) => JSON.stringify(invoice) !== JSON.stringify(expected[i]),
      ).length;
      expect(invoices).toEqual(expected);
      await tallyman.ok('verify');
    } finally {
      clients.forEach((client) => client.disconnect());
      await Promise.all(replicas.map((replica) => replica.stop()));
      await cluster.stop();
      await kafka.stop();
    }
  },
  300_000,
);
