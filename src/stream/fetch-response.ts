import Decoder from 'kafkajs/src/protocol/decoder';
import decodeRecordBatch, { type DecodedRecord } from 'kafkajs/src/protocol/recordBatch/v0/decoder';
import { TallymanError } from '../errors';

/**
 * A record batch that cannot be read: compressed in an unknown way, larger than the limit once decompressed, or broken.
 * Its records cannot be told apart, so none can be set aside alone: the consumer stops before it.
 */
export class UndecodableBatchError extends TallymanError {
  /** Read by kafkajs: the same bytes will be no better the next time. */
  readonly retriable = false;
}

interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: bigint;
}

/** One partition's part of a fetch response, in the shape that kafkajs expects. */
export interface FetchedPartition {
  readonly partition: number;
  readonly errorCode: number;
  readonly highWatermark: string;
  readonly lastStableOffset: string;
  readonly lastStartOffset: string;
  /** Always empty: aborted records are left out of `messages` already. */
  readonly abortedTransactions: [];
  readonly preferredReadReplica: number;
  readonly messages: DecodedRecord[];
}

/**
 * Decodes a fetch response of version 11. It stands in for kafkajs's own decoder, which
 * - copies a batch's records over the call stack, and dies of one with more than about 120,000;
 * - takes one aborted transaction off its list per record, and so shows aborted records to a fetch that begins inside
 *   several;
 * - drops a batch that compaction has emptied, and then asks for it again for ever;
 * - does not say where in the log an unreadable batch lies.
 */
export async function decodeFetchResponse(payload: Buffer): Promise<unknown> {
  const decoder = new Decoder(payload);
  const clientSideThrottleTime = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const sessionId = decoder.readInt32();
  const responses = await decoder.readArrayAsync(async (topicDecoder) => {
    const topicName = topicDecoder.readString();
    const partitions = await topicDecoder.readArrayAsync((one) => decodePartition(topicName, one));
    return { topicName, partitions };
  });
  return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses };
}

async function decodePartition(topic: string, decoder: Decoder): Promise<FetchedPartition> {
  const partition = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const highWatermark = decoder.readInt64().toString();
  const lastStableOffset = decoder.readInt64().toString();
  const lastStartOffset = decoder.readInt64().toString();
  const aborted = decoder.readArray<AbortedTransaction>((one) => ({
    producerId: one.readInt64(),
    firstOffset: one.readInt64(),
  }));
  const preferredReadReplica = decoder.readInt32();
  const byteLength = decoder.readInt32();
  const messages =
    byteLength > 0 ? await decodeBatches(topic, partition, decoder.readBytes(byteLength), aborted) : [];
  return {
    partition,
    errorCode,
    highWatermark,
    lastStableOffset,
    lastStartOffset,
    abortedTransactions: [],
    preferredReadReplica,
    messages,
  };
}

// Where the fields of a record batch's header lie, from its first byte.
const LENGTH_AT = 8;
const AFTER_LENGTH = 12;
const MAGIC_AT = 16;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const PRODUCER_ID_AT = 43;
const HEADER_BYTES = 61;

const MAGIC = 2;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

async function decodeBatches(
  topic: string,
  partition: number,
  bytes: Buffer,
  abortedTransactions: AbortedTransaction[],
): Promise<DecodedRecord[]> {
  const aborted = abortedTransactions.sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  const abortedProducers = new Set<bigint>();
  const records: DecodedRecord[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const end = at + AFTER_LENGTH + bytes.readInt32BE(at + LENGTH_AT);
    // The broker cuts a response at its size limit, in the middle of a batch where it may be.
    if (end > bytes.length) break;
    const firstOffset = bytes.readBigInt64BE(at);
    const lastOffset = firstOffset + BigInt(bytes.readInt32BE(at + LAST_OFFSET_DELTA_AT));
    const attributes = bytes.readInt16BE(at + ATTRIBUTES_AT);
    const producerId = bytes.readBigInt64BE(at + PRODUCER_ID_AT);
    while (aborted[0] && aborted[0].firstOffset <= lastOffset) {
      abortedProducers.add(aborted[0].producerId);
      aborted.shift();
    }
    const isControl = (attributes & CONTROL) !== 0;
    const isAborted = !isControl && (attributes & TRANSACTIONAL) !== 0 && abortedProducers.has(producerId);
    if (!isAborted) {
      const batch = bytes.subarray(at, end);
      const decoded = await decodeBatch({ topic, partition, offset: firstOffset }, batch);
      for (const record of decoded) records.push(record);
      if (isControl && decoded.some(isAbortMarker)) abortedProducers.delete(producerId);
    }
    // What a batch covers may end after its last record that is left. A control record, which no consumer sees, holds
    // the place, so that the position moves past it.
    if (records.at(-1)?.offset !== lastOffset.toString()) records.push(placeholder(lastOffset));
    at = end;
  }
  return records;
}

async function decodeBatch(
  place: { topic: string; partition: number; offset: bigint },
  batch: Buffer,
): Promise<DecodedRecord[]> {
  try {
    if (batch[MAGIC_AT] !== MAGIC) throw new Error(`message format ${batch[MAGIC_AT]} is not supported`);
    return (await decodeRecordBatch(new Decoder(batch))).records;
  } catch (error) {
    const offset = Number(place.offset);
    const reason = error instanceof Error ? error.message : String(error);
    throw new UndecodableBatchError(
      'UNDECODABLE_BATCH',
      `The batch at ${place.topic} partition ${place.partition} offset ${offset} cannot be read: ${reason}`,
      { ...place, offset, reason },
    );
  }
}

/** The key of a transaction marker: a version, then its type as int16; 0 is abort. */
function isAbortMarker({ key }: DecodedRecord): boolean {
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
}

function placeholder(offset: bigint): DecodedRecord {
  return {
    offset: offset.toString(),
    timestamp: '-1',
    key: null,
    value: null,
    headers: {},
    isControlRecord: true,
  };
}
