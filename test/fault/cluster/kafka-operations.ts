import { ConfigResourceTypes } from 'kafkajs';
import { createWorkload } from '../../../src/oracle/workload';
import { liveBrokers } from '../../../src/kafka/topics/replication';
import { ownTopics, topicName, USAGE_MESSAGE_MAX_BYTES, usageTopics } from '../../../src/kafka/topics/topics';
import type { KafkaClient } from '../../../src/kafka/client';
import { eventually } from '../../kit/eventually';
import { uniquePrefix } from '../../kit/services';
import type { FaultInstallation } from '../support/fault-suite';
import { createPublisher } from '../../../src/kafka/producer';
import { withKafka } from '../support/kafka-client';
import { MONTH, PROJECTS } from '../support/load';
import type { ClusterRun, ClusterWorld } from './cluster-world';

/** What an operator does to the brokers, and to the topics of an installation. */

const TIMEOUT_MS = 120_000;

/** Waits until each partition has all its copies in sync. */
export async function untilInSync(world: ClusterWorld, prefix: string): Promise<void> {
  await withKafka(world, (client) => inSync(client, prefix, 3));
}

/** Waits until a broker that runs leads each partition. */
export async function untilLed(world: ClusterWorld, prefix: string): Promise<void> {
  await withKafka(world, (client) =>
    eventually(
      async () => {
        const alive = await liveBrokers(client);
        const partitions = [...(await client.topics(ownTopics(prefix))).values()].flat();
        return partitions.length > 0 && partitions.every(({ leader }) => alive.includes(leader));
      },
      { timeoutMs: TIMEOUT_MS, what: 'every partition is led' },
    ),
  );
}

async function inSync(client: KafkaClient, prefix: string, copies: number): Promise<void> {
  await eventually(
    async () => {
      const topics = [...(await client.topics(usageTopics(prefix))).values()].flat();
      return topics.length > 0 && topics.every(({ isr, leader }) => isr.length === copies && leader > 0);
    },
    { timeoutMs: TIMEOUT_MS, what: `${copies} copies are in sync` },
  );
}

/** Takes each partition from the broker that leads it, and gives it back as a copy. */
export async function moveLeaders(world: ClusterWorld, prefix: string): Promise<void> {
  await withKafka(world, async (client) => {
    const admin = await client.admin();
    const before = await client.topics(usageTopics(prefix));
    for (const copies of [2, 3]) {
      await admin.alterPartitionReassignments({
        topics: [...before].map(([topic, partitions]) => ({
          topic,
          partitionAssignment: partitions.map(({ partitionId, leader, replicas }) => {
            const others = replicas.filter((broker) => broker !== leader);
            return { partition: partitionId, replicas: copies === 2 ? others : [...others, leader] };
          }),
        })),
      });
      await inSync(client, prefix, copies);
    }
    const after = await client.topics(usageTopics(prefix));
    for (const [topic, partitions] of before)
      for (const { partitionId, leader } of partitions)
        expect(after.get(topic)?.find((one) => one.partitionId === partitionId)?.leader).not.toBe(leader);
  });
}

/** Sets how many copies a write needs. */
export async function setMinInSync(world: ClusterWorld, prefix: string, copies: number): Promise<void> {
  await withKafka(world, async (client) => {
    const admin = await client.admin();
    const type = ConfigResourceTypes.TOPIC;
    const { resources } = await admin.describeConfigs({
      includeSynonyms: false,
      resources: usageTopics(prefix).map((name) => ({ type, name })),
    });
    await admin.alterConfigs({
      validateOnly: false,
      // What is not named is reset.
      resources: resources.map(({ resourceName: name, configEntries }) => ({
        ...{ type, name },
        configEntries: [
          ...configEntries
            .filter((entry) => !entry.isDefault && entry.configName !== 'min.insync.replicas')
            .map(({ configName, configValue }) => ({ name: configName, value: configValue })),
          { name: 'min.insync.replicas', value: String(copies) },
        ],
      })),
    });
  });
}

interface Unsafe {
  readonly tallyman: FaultInstallation;
  /** Publishes the next session events. */
  readonly publish: (count: number) => Promise<void>;
  /** Waits until the first of these brokers leads, and all of them are in sync. */
  readonly led: (...brokers: readonly number[]) => Promise<void>;
}

/**
 * An installation whose session events have two copies. A broker that lacks some may lead, and a
 * write needs one copy.
 */
export async function installUnsafe(run: ClusterRun): Promise<Unsafe> {
  const prefix = uniquePrefix();
  const topic = topicName(prefix, 'usage.session');
  await withKafka(run.world, async (client) => {
    const admin = await client.admin();
    const settings = {
      'max.message.bytes': String(USAGE_MESSAGE_MAX_BYTES),
      'min.insync.replicas': '1',
      'unclean.leader.election.enable': 'true',
    };
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    const replicaAssignment = [{ partition: 0, replicas: [1, 2] }];
    await admin.createTopics({ topics: [{ topic, replicaAssignment, configEntries }] });
  });
  const tallyman = await run.install(1, { TALLYMAN_PREFIX: prefix });
  const workload = createWorkload({ seed: run.seed, month: MONTH, projects: PROJECTS, events: 20_000 });
  const sessions = [...workload].filter((record) => record.topic === 'usage.session');
  return {
    tallyman,
    publish: (count) =>
      withKafka(run.world, async (client) => {
        const publisher = await createPublisher(client);
        await publisher.publish(topic, sessions.splice(0, count));
        await publisher.close();
      }),
    led: (...brokers) =>
      withKafka(run.world, (client) =>
        eventually(
          async () => {
            const [partition] = (await client.topics([topic])).get(topic)!;
            return partition!.leader === brokers[0] && partition!.isr.join() === brokers.join();
          },
          { timeoutMs: TIMEOUT_MS, what: `${brokers[0]} leads` },
        ).then(() => undefined),
      ),
  };
}
