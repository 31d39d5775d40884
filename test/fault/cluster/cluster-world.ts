import { startBrokers } from '../../../src/dev/services/native-kafka';
import type { NativeService } from '../../../src/dev/services/service';
import { eventually } from '../../kit/eventually';
import { isAlive } from '../../kit/is-alive';
import { startReplicatedCluster } from '../../kit/servers/redis-cluster';
import { casesOn, type FaultCase, type FaultInstallation, type FaultRun } from '../support/fault-suite';
import type { World } from '../support/fault-world';
import { onRedis } from '../support/proxy/redis-faults';

/** Three brokers, and a Redis Cluster of three masters and three replicas. */
export interface ClusterWorld extends World {
  readonly brokers: readonly NativeService[];
  /** All six nodes. Which are masters changes with each failover. */
  readonly redisNodes: readonly NativeService[];
}

export type ClusterRun = FaultRun<ClusterWorld>;

export const clusterSuite = (suite: string): FaultCase<ClusterWorld> => casesOn(suite, startClusterWorld);

async function startClusterWorld(): Promise<ClusterWorld> {
  const [brokers, redis] = await Promise.all([
    startBrokers(3, (line) => void process.stderr.write(`${line}\n`)),
    startReplicatedCluster(),
  ]);
  const redisNodes = [...redis.nodes, ...redis.replicas];
  const addressesOf = (nodes: readonly NativeService[]): string =>
    nodes.map(({ address }) => address).join(',');
  return {
    ...{ brokers, redisNodes },
    direct: { KAFKA_BROKERS: addressesOf(brokers), REDIS_URL: `redis+cluster://${addressesOf(redisNodes)}` },
    restore: async () => {
      for (const node of [...brokers, ...redisNodes]) await bringBack(node);
      await untilReplicated(redisNodes);
    },
    stop: async () => {
      await Promise.all([...brokers.map((broker) => broker.stop()), redis.stop()]);
    },
  };
}

/** Starts a node again if it is down. */
async function bringBack(node: NativeService): Promise<void> {
  node.resume();
  if (!isAlive(node.pid)) await node.restart();
}

/** Waits until all slots are served, and each replica follows its master. */
export async function untilReplicated(nodes: readonly NativeService[]): Promise<void> {
  for (const node of nodes) {
    await onRedis(node, (client) =>
      eventually(
        async () => {
          const [info, replication] = [
            String(await client.cluster('INFO')),
            await client.info('replication'),
          ];
          return info.includes('cluster_state:ok') && !replication.includes('master_link_status:down');
        },
        { timeoutMs: 60_000, what: `${node.address} is in a cluster that is whole` },
      ),
    );
  }
}

export const PARTITIONS = 6;

/** A new installation whose topics have a copy on each broker. */
export function install(run: ClusterRun, more: NodeJS.ProcessEnv = {}): Promise<FaultInstallation> {
  return run.install(PARTITIONS, more, '--replication', '3');
}
