import { KafkaJSError } from 'kafkajs';
import type Cluster from 'kafkajs/src/cluster';
import Decoder from 'kafkajs/src/protocol/decoder';
import Encoder from 'kafkajs/src/protocol/encoder';
import { leadersOf } from '../cluster';

/** Asks how far the log of a partition holds the records of a leader epoch. */
export interface EpochQuestion {
  readonly partition: number;
  readonly epoch: number;
}

/** The latest epoch of a log that is not after the epoch in question, and where it ends. */
export interface EpochEnd {
  /** -1 if the log holds no epoch as late as that one. */
  readonly epoch: number;
  /** Exclusive. */
  readonly end: number;
}

const API = 23;
/** The first version for consumers. Every broker since Kafka 2.3 supports it. */
const VERSION = 3;
const CONSUMER = -1;
const ANY_LEADER = -1;
const ONE = 1;

/**
 * Each election of a partition's leader has a number, its epoch. A broker writes the epoch of its
 * election into every batch. If two logs hold a record with the same offset and epoch, they are
 * equal up to it. kafkajs does not have the request that compares logs by it (OffsetForLeaderEpoch,
 * KIP-320), so it is written here.
 *
 * @returns the answers in the order of the questions
 */
export async function readEpochEnds(
  cluster: Cluster,
  topic: string,
  questions: readonly EpochQuestion[],
): Promise<EpochEnd[]> {
  await cluster.addTargetTopic(topic);
  await cluster.refreshMetadataIfNecessary();
  const answers = new Array<EpochEnd>(questions.length);
  const partitions = [...new Set(questions.map(({ partition }) => partition))];
  const leaders = leadersOf(cluster, topic, partitions);
  await Promise.all(
    leaders.map(async ([nodeId, led]) => {
      const asked = [...questions.keys()].filter((index) => led.includes(questions[index]!.partition));
      const ends = await ask(
        cluster,
        nodeId,
        topic,
        asked.map((index) => questions[index]!),
      );
      asked.forEach((index, i) => (answers[index] = ends[i]!));
    }),
  );
  if (Object.keys(answers).length < questions.length)
    throw new KafkaJSError(`Kafka did not answer for every partition of ${topic}`);
  return answers;
}

async function ask(
  cluster: Cluster,
  nodeId: string,
  topic: string,
  questions: readonly EpochQuestion[],
): Promise<EpochEnd[]> {
  const broker = await cluster.findBroker({ nodeId });
  const request = new Encoder()
    .writeInt32(CONSUMER)
    .writeInt32(ONE)
    .writeString(topic)
    .writeInt32(questions.length);
  for (const { partition, epoch } of questions)
    request.writeInt32(partition).writeInt32(ANY_LEADER).writeInt32(epoch);
  return broker.connectionPool.send({
    request: {
      apiKey: API,
      apiVersion: VERSION,
      apiName: 'OffsetForLeaderEpoch',
      encode: () => Promise.resolve(request),
    },
    response: {
      decode: (payload) => Promise.resolve(decode(payload)),
      parse: ({ found }) => Promise.resolve(checked(topic, questions, found)),
    },
  });
}

interface Found extends EpochEnd {
  readonly errorCode: number;
  readonly partition: number;
}

/** throttle time, [topic, [error, partition, epoch, end]] */
function decode(payload: Buffer): { clientSideThrottleTime: number; found: Found[] } {
  const decoder = new Decoder(payload);
  const clientSideThrottleTime = decoder.readInt32();
  const topics = decoder.readArray((one) => {
    one.readString();
    return one.readArray((each): Found => ({
      errorCode: each.readInt16(),
      partition: each.readInt32(),
      epoch: each.readInt32(),
      end: Number(each.readInt64()),
    }));
  });
  return { clientSideThrottleTime, found: topics.flat() };
}

function checked(topic: string, questions: readonly EpochQuestion[], found: readonly Found[]): EpochEnd[] {
  return questions.map(({ partition }, index) => {
    const answer = found[index];
    if (answer?.partition !== partition || answer.errorCode !== 0) {
      // The leader has moved, as a rule.
      throw new KafkaJSError(
        `Kafka does not compare the log of ${topic}/${partition} (error code ${answer?.errorCode})`,
      );
    }
    return { epoch: answer.epoch, end: answer.end };
  });
}
