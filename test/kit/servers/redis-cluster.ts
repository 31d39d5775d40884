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
