import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { freePort } from '../../../src/dev/services/free-port';
import { startNative } from '../../../src/dev/services/native-process';
import { redisAnswers } from '../../../src/dev/services/redis-ping';
import type { NativeService } from '../../../src/dev/services/service';
import { eventually } from '../services';

export interface RedisCluster {
  readonly nodes: readonly NativeService[];
  stop(): Promise<void>;
}

/**
 * Two masters that share the slots half and half.
 *
 * @param more further arguments of redis-server
 */
export async function startRedisCluster(...more: string[]): Promise<RedisCluster> {
  const nodes = await Promise.all([startNode(more), startNode(more)]);
  const clients = nodes.map(({ service }) => new Redis(service.port));
  try {
    const [first, second] = clients as [Redis, Redis];
    await first.cluster('ADDSLOTSRANGE', 0, 8191);
    await second.cluster('ADDSLOTSRANGE', 8192, 16383);
    await second.call('CONFIG', 'SET', 'cluster-announce-ip', '127.0.0.1');
    await first.call('CLUSTER', 'MEET', '127.0.0.1', nodes[1].service.port, nodes[1].busPort);
    for (const client of clients) {
      await eventually(async () => {
        const info = String(await client.cluster('INFO'));
        return info.includes('cluster_state:ok') && info.includes('cluster_known_nodes:2');
      });
    }
  } finally {
    clients.forEach((client) => client.disconnect());
  }
  return {
    nodes: nodes.map(({ service }) => service),
    stop: async () => void (await Promise.all(nodes.map(({ service }) => service.stop()))),
  };
}

/**
 * Adds a replica to the master at this place of `nodes`, and waits until it holds what that one
 * holds.
 */
export async function addReplica(cluster: RedisCluster, of: number): Promise<NativeService> {
  const { service, busPort } = await startNode([]);
  const [master, replica] = [cluster.nodes[of]!.port, service.port].map((port) => new Redis(port));
  try {
    const id = String(await master!.cluster('MYID'));
    await master!.call('CLUSTER', 'MEET', '127.0.0.1', service.port, busPort);
    await eventually(async () => String(await replica!.cluster('NODES')).includes(id));
    await eventually(() =>
      replica!.cluster('REPLICATE', id).then(
        () => true,
        () => false,
      ),
    );
    await eventually(async () => (await replica!.info('replication')).includes('master_link_status:up'));
  } finally {
    master!.disconnect();
    replica!.disconnect();
  }
  return service;
}

async function startNode(more: readonly string[]): Promise<{ service: NativeService; busPort: number }> {
  const folder = await mkdtemp(join(tmpdir(), 'tallyman-redis-cluster-'));
  const dataDir = join(folder, 'data');
  await mkdir(dataDir);
  const [port, busPort] = [await freePort(), await freePort()];
  const service = await startNative({
    name: 'Redis Cluster node',
    origin: 'redis-server',
    command: 'redis-server',
    args: [
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dataDir, '--save', ''],
      ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort)],
      ...more,
    ],
    folder,
    dataDir,
    port,
    isReady: () => redisAnswers(port),
    readyTimeoutMs: 20_000,
  });
  return { service, busPort };
}
