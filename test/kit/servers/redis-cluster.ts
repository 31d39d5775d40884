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

export interface ReplicatedCluster extends RedisCluster {
  /** The replica at a place belongs to the master at this place of `nodes`, until a failover. */
  readonly replicas: readonly NativeService[];
}

const SLOTS = 16_384;

/**
 * Two masters that share the slots half and half.
 *
 * @param more further arguments of redis-server
 */
export function startRedisCluster(...more: string[]): Promise<RedisCluster> {
  return startMasters(2, more);
}

/** Three masters with a replica each. A master that is gone for three seconds is replaced. */
export async function startReplicatedCluster(): Promise<ReplicatedCluster> {
  const more = ['--appendonly', 'yes', '--cluster-node-timeout', '3000', '--repl-diskless-sync-delay', '0'];
  const cluster = await startMasters(3, more);
  const replicas = await Promise.all(cluster.nodes.map((_, at) => addReplica(cluster, at, more)));
  const nodes = [...cluster.nodes, ...replicas];
  await untilWhole(nodes, nodes.length);
  return {
    ...{ nodes: cluster.nodes, replicas },
    stop: async () => void (await Promise.all(nodes.map((node) => node.stop()))),
  };
}

async function startMasters(count: number, more: readonly string[]): Promise<RedisCluster> {
  const nodes = await Promise.all(Array.from({ length: count }, () => startNode(more)));
  const clients = nodes.map(({ service }) => new Redis(service.port));
  try {
    for (const [at, client] of clients.entries()) {
      const [first, next] = [at, at + 1].map((place) => Math.floor((place * SLOTS) / count));
      await client.cluster('ADDSLOTSRANGE', first!, next! - 1);
      await client.call('CONFIG', 'SET', 'cluster-announce-ip', '127.0.0.1');
    }
    for (const { service, busPort } of nodes.slice(1))
      await clients[0]!.call('CLUSTER', 'MEET', '127.0.0.1', service.port, busPort);
    await untilWhole(
      nodes.map(({ service }) => service),
      count,
    );
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
export async function addReplica(
  cluster: RedisCluster,
  of: number,
  more: readonly string[] = [],
): Promise<NativeService> {
  const { service, busPort } = await startNode(more);
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

/** Waits until each node serves all slots and has met the others. */
async function untilWhole(nodes: readonly NativeService[], count: number): Promise<void> {
  for (const { port } of nodes) {
    const client = new Redis(port);
    try {
      await eventually(
        async () => {
          const info = String(await client.cluster('INFO'));
          return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${count}`);
        },
        { timeoutMs: 60_000 },
      );
    } finally {
      client.disconnect();
    }
  }
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
