import { KafkaJSError } from 'kafkajs';
import type Cluster from 'kafkajs/src/cluster';
import Decoder from 'kafkajs/src/protocol/decoder';
import Encoder from 'kafkajs/src/protocol/encoder';
import { anyBroker } from '../cluster';

const METADATA_API = 3;
/** The first version with topic ids, supported by every broker since Kafka 2.8. */
const METADATA_VERSION = 10;
const UUID_BYTES = 16;
/** The id in a response for a topic that does not exist, or that a cluster without ids created. */
const NO_ID = Buffer.alloc(UUID_BYTES).toString('base64url');

/** What identifies a topic, and how many partitions it has. */
export interface TopicState {
  /** As Kafka's own tools print it; undefined if the cluster has no topic ids. */
  readonly id: string | undefined;
  /** 0 if the topic does not exist. */
  readonly partitions: number;
}

/**
 * Reads the id that Kafka gave a topic when it was created, and its number of partitions. If a
 * topic is deleted and recreated, it has the same name and the same offsets, and only its id is
 * different. kafkajs does not speak a version of the request that returns it, so the request is
 * written here.
 *
 * @returns undefined if the broker is too old for such a request
 */
export async function readTopicState(cluster: Cluster, topic: string): Promise<TopicState | undefined> {
  const broker = await anyBroker(cluster);
  const supported = broker.versions?.[METADATA_API]?.maxVersion ?? 0;
  if (supported < METADATA_VERSION) return undefined;
  const { id, partitions } = await broker.connectionPool.send({
    request: {
      apiKey: METADATA_API,
      apiVersion: METADATA_VERSION,
      apiName: 'Metadata',
      encode: () => Promise.resolve(encodeRequest(topic)),
    },
    response: { decode: decodeResponse, parse: (decoded) => Promise.resolve(decoded) },
  });
  return { id: id === NO_ID ? undefined : id, partitions };
}

/**
 * tags, [topic id, name, tags], allow auto-creation, authorized operations of the cluster, and of
 * the topics, tags
 */
function encodeRequest(topic: string): Encoder {
  return new Encoder()
    .writeUVarInt(0)
    .writeUVarInt(2) // An array of one.
    .writeBuffer(Buffer.alloc(UUID_BYTES))
    .writeUVarIntString(topic)
    .writeUVarInt(0)
    .writeBoolean(false)
    .writeBoolean(false)
    .writeBoolean(false)
    .writeUVarInt(0);
}

/**
 * tags, throttle time, [node, host, port, rack, tags], cluster id, controller, [error, name, topic
 * id, is internal, [partition ...], ...], ...
 */
// eslint-disable-next-line @typescript-eslint/require-await -- kafkajs awaits every decoder
async function decodeResponse(
  payload: Buffer,
): Promise<{ id: string; partitions: number; clientSideThrottleTime: number }> {
  const decoder = new Decoder(payload);
  decoder.readTaggedFields();
  const clientSideThrottleTime = decoder.readInt32();
  decoder.readUVarIntArray((broker) => {
    broker.readInt32();
    broker.readUVarIntString();
    broker.readInt32();
    broker.readUVarIntString();
    broker.readTaggedFields();
  });
  decoder.readUVarIntString();
  decoder.readInt32();
  if (decoder.readUVarInt() !== 2) throw new KafkaJSError('Kafka did not answer for one topic');
  decoder.readInt16();
  decoder.readUVarIntString();
  const id = decoder.readBytes(UUID_BYTES).toString('base64url');
  decoder.readBoolean();
  const partitions = Math.max(0, decoder.readUVarInt() - 1);
  return { id, partitions, clientSideThrottleTime };
}
