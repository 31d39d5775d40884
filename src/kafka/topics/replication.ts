import { ConfigResourceTypes, KafkaJSError, type Admin } from 'kafkajs';
import Decoder from 'kafkajs/src/protocol/decoder';
import Encoder from 'kafkajs/src/protocol/encoder';
import type Cluster from 'kafkajs/src/cluster';
import { pause } from '../../lib/process/poller';
import { TallymanError } from '../../lib/errors';
import type { KafkaClient } from '../client';
import type { PartitionMetadata } from './topic-metadata';
import { anyBroker } from '../cluster';

/** From this number of brokers on, one copy is a choice, and has to be named. */
export const COPIES_WANTED = 3;
export const RAISE_COPIES = `tallyman init --replication ${COPIES_WANTED}`;
/** `min.insync.replicas`: in how many copies an acknowledged record is at least. */
export const inSyncOf = (copies: number): number => (copies >= COPIES_WANTED ? 2 : 1);
const POLL_MS = 500;

interface Assignment {
  readonly partition: number;
  readonly replicas: number[];
}

export async function liveBrokers(client: KafkaClient): Promise<number[]> {
  const { brokers } = await (await client.admin()).describeCluster();
  return brokers.map(({ nodeId }) => nodeId).sort((a, b) => a - b);
}

/**
 * Checks the number of copies before topics are created.
 *
 * @param copies undefined for the default of the brokers
 * @throws TallymanError `TOO_FEW_BROKERS`, `ONE_COPY`
 */
export async function checkCopies(
  client: KafkaClient,
  copies: number | undefined,
  isOneCopyAllowed: boolean,
): Promise<void> {
  const brokers = await liveBrokers(client);
  checkBrokers(brokers, copies ?? 1);
  if (isOneCopyAllowed || brokers.length < COPIES_WANTED) return;
  if ((copies ?? (await defaultCopies(await client.admin(), brokers[0]!))) > 1) return;
  throw new TallymanError(
    'ONE_COPY',
    `Kafka has ${brokers.length} brokers, and each topic would have one copy` +
      `${copies === undefined ? ', by the default of the brokers' : ''}: usage, plans and invoices would be lost with one ` +
      `disk. Nothing was created. Run \`${RAISE_COPIES}\`, or add --allow-one-copy.`,
    { brokers: brokers.length },
  );
}

function checkBrokers(brokers: readonly number[], copies: number): void {
  if (brokers.length >= copies) return;
  throw new TallymanError(
    'TOO_FEW_BROKERS',
    `--replication ${copies} needs ${copies} brokers, and ${brokers.length} are running.`,
    { copies, brokers: brokers.length },
  );
}

/** 1 if the brokers do not reveal it. */
async function defaultCopies(admin: Admin, broker: number): Promise<number> {
  const name = 'default.replication.factor';
  const resource = { type: ConfigResourceTypes.BROKER, name: String(broker), configNames: [name] };
  const described = await admin
    .describeConfigs({ includeSynonyms: false, resources: [resource] })
    .catch(() => undefined);
  return Number(described?.resources[0]?.configEntries[0]?.configValue ?? 1);
}

/** What `raiseCopies` would change. */
export interface TooFewCopies {
  readonly topics: readonly string[];
  readonly assignments: ReadonlyMap<string, Assignment[]>;
  /** Their `min.insync.replicas` is too small for this number of copies. */
  readonly belowInSync: readonly string[];
}

/** @throws TallymanError `TOO_FEW_BROKERS` */
export async function findTooFewCopies(
  client: KafkaClient,
  topics: readonly string[],
  copies: number,
): Promise<TooFewCopies> {
  const brokers = await liveBrokers(client);
  const found = await client.topics(topics);
  const assignments = new Map(
    [...found].map(([topic, partitions]) => [topic, moreCopies(partitions, copies, brokers)]),
  );
  const inSync = inSyncOf(copies);
  const belowInSync =
    inSync === 1 || found.size === 0
      ? []
      : await topicsInSyncBelow(await client.admin(), [...found.keys()], inSync);
  const changed = [...found.keys()].filter((topic) => assignments.get(topic)!.length > 0);
  if (changed.length > 0) checkBrokers(brokers, copies);
  return { topics: [...new Set([...changed, ...belowInSync])], assignments, belowInSync };
}

/**
 * Gives every partition of the topics at least this many copies, topic by topic, and waits until
 * the new copies are in sync. From three copies on, an acknowledged record is in at least two
 * afterwards, as in a new topic. It may be stopped and run again: Kafka goes on with what has
 * begun.
 *
 * @param onProgress given the number of partitions that are done, and of all
 * @returns the topics that were changed
 * @throws TallymanError `TOO_FEW_BROKERS`
 */
export async function raiseCopies(
  client: KafkaClient,
  topics: readonly string[],
  copies: number,
  onProgress: (done: number, total: number, topic: string) => void,
): Promise<readonly string[]> {
  const admin = await client.admin();
  const few = await findTooFewCopies(client, topics, copies);
  const found = await client.topics(topics);
  const total = [...found.values()].flat().length;
  let done = 0;
  for (const [topic, partitions] of found) {
    const partitionAssignment = few.assignments.get(topic) ?? [];
    if (partitionAssignment.length > 0)
      await admin.alterPartitionReassignments({ topics: [{ topic, partitionAssignment }] });
    for (;;) {
      const left = await underWay(admin, topic, partitions);
      onProgress(done + partitions.length - left, total, topic);
      if (left === 0) break;
      await pause(POLL_MS);
    }
    done += partitions.length;
  }
  for (const topic of few.belowInSync)
    await client.ask((cluster) =>
      setTopicConfig(cluster, topic, 'min.insync.replicas', String(inSyncOf(copies))),
    );
  return few.topics;
}

/**
 * The partitions that need more copies, with the brokers that shall hold them. Those that hold one
 * already stay, with the leader first. New copies go to the broker that has the fewest.
 */
export function moreCopies(
  partitions: readonly PartitionMetadata[],
  copies: number,
  brokers: readonly number[],
): Assignment[] {
  const load = new Map(brokers.map((broker): [number, number] => [broker, 0]));
  const add = (broker: number): void => void load.set(broker, (load.get(broker) ?? 0) + 1);
  partitions.forEach(({ replicas }) => replicas.forEach(add));
  const assignments: Assignment[] = [];
  for (const { partitionId, replicas } of partitions) {
    if (replicas.length >= copies) continue;
    const all = [...replicas];
    while (all.length < copies) {
      const free = brokers.filter((broker) => !all.includes(broker));
      if (free.length === 0) break;
      const next = free.reduce((least, broker) => (load.get(broker)! < load.get(least)! ? broker : least));
      all.push(next);
      add(next);
    }
    assignments.push({ partition: partitionId, replicas: all });
  }
  return assignments;
}

async function underWay(
  admin: Admin,
  topic: string,
  partitions: readonly PartitionMetadata[],
): Promise<number> {
  const asked = { topic, partitions: partitions.map(({ partitionId }) => partitionId) };
  const { topics } = await admin.listPartitionReassignments({ topics: [asked] });
  return topics.reduce((sum, one) => sum + one.partitions.length, 0);
}

async function topicsInSyncBelow(admin: Admin, topics: readonly string[], inSync: number): Promise<string[]> {
  const configNames = ['min.insync.replicas'];
  const { resources } = await admin.describeConfigs({
    includeSynonyms: false,
    resources: topics.map((name) => ({ type: ConfigResourceTypes.TOPIC, name, configNames })),
  });
  return resources
    .filter(({ configEntries }) => Number(configEntries[0]?.configValue) < inSync)
    .map(({ resourceName }) => resourceName);
}

const INCREMENTAL_ALTER_CONFIGS_API = 44;
const SET = 0;
const ONE = 1;

/**
 * Sets one setting of a topic and leaves the others. kafkajs's `alterConfigs` is the older request,
 * which resets all that it does not name.
 */
async function setTopicConfig(cluster: Cluster, topic: string, name: string, value: string): Promise<void> {
  const broker = await anyBroker(cluster);
  const request = new Encoder()
    .writeInt32(ONE)
    .writeInt8(ConfigResourceTypes.TOPIC)
    .writeString(topic)
    .writeInt32(ONE)
    .writeString(name)
    .writeInt8(SET)
    .writeString(value)
    .writeBoolean(false); // Not only a check.
  const errorCode = await broker.connectionPool.send({
    request: {
      apiKey: INCREMENTAL_ALTER_CONFIGS_API,
      apiVersion: 0,
      apiName: 'IncrementalAlterConfigs',
      encode: () => Promise.resolve(request),
    },
    response: {
      /** throttle time, [error, message, type, name] */
      decode: (payload) => {
        const decoder = new Decoder(payload);
        const clientSideThrottleTime = decoder.readInt32();
        const [code = 0] = decoder.readArray((one) => {
          const error = one.readInt16();
          one.readString();
          one.readInt8();
          one.readString();
          return error;
        });
        return Promise.resolve({ code, clientSideThrottleTime });
      },
      parse: ({ code }) => Promise.resolve(code),
    },
  });
  if (errorCode !== 0) throw new KafkaJSError(`${name} of ${topic} cannot be set (error code ${errorCode})`);
}
