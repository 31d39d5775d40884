import Decoder from 'kafkajs/src/protocol/decoder';
import type { DecodedRecord } from 'kafkajs/src/protocol/recordBatch/v0/decoder';
import { TallymanError } from '../errors';
import { MAX_BATCH_BYTES } from './codecs';
import { batchEnd, batchRange, decodeRecordBatch, HEADER_BYTES, readBatchHeader } from './record-batch';

/**
 * A record batch that cannot be read: compressed in an unknown way, larger than the limit once decompressed, or broken.
 * Its records cannot be told apart, so none can be set aside alone: the consumer stops before it.
 */
export class UndecodableBatchError extends TallymanError {
  /** Read by kafkajs: the same bytes will be no better the next time. */
  readonly retriable = false;
}

/**
 * About what the records of one response may take up in memory. What is over it is left for the next fetch, as if the
 * broker had cut the response there; a first batch is read whatever it comes to.
 */
const MAX_RESPONSE_BYTES = MAX_BATCH_BYTES;

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
 * - unpacks all that a response holds at once, which may be a thousand times its size;
 * - does not say where in the log an unreadable batch lies.
 */
export async function decodeFetchResponse(payload: Buffer): Promise<unknown> {
  const decoder = new Decoder(payload);
  const clientSideThrottleTime = decoder.readInt32();
  const errorCode = decoder.readInt16();
  const sessionId = decoder.readInt32();
  const memory = { leftBytes: MAX_RESPONSE_BYTES };
  const responses = await decoder.readArrayAsync(async (topicDecoder) => {
    const topicName = topicDecoder.readString();
    const partitions = await topicDecoder.readArrayAsync((one) => decodePartition(topicName, one, memory));
    return { topicName, partitions };
  });
  return { throttleTime: 0, clientSideThrottleTime, errorCode, sessionId, responses };
}

async function decodePartition(
  topic: string,
  decoder: Decoder,
  memory: { leftBytes: number },
): Promise<FetchedPartition> {
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
    byteLength > 0
      ? await decodeBatches(topic, partition, decoder.readBytes(byteLength), aborted, memory)
      : [];
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

async function decodeBatches(
  topic: string,
  partition: number,
  bytes: Buffer,
  abortedTransactions: AbortedTransaction[],
  memory: { leftBytes: number },
): Promise<DecodedRecord[]> {
  const aborted = abortedTransactions.sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  const abortedProducers = new Set<bigint>();
  const records: DecodedRecord[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length && memory.leftBytes > 0;) {
    const end = batchEnd(bytes, at);
    // The broker cuts a response at its size limit, in the middle of a batch where it may be.
    if (end > bytes.length) break;
    const batch = bytes.subarray(at, end);
    try {
      const { lastOffset, isTransactional, isControl, producerId } = readBatchHeader(batch);
      while (aborted[0] && aborted[0].firstOffset <= lastOffset) {
        abortedProducers.add(aborted[0].producerId);
        aborted.shift();
      }
      const isAborted = !isControl && isTransactional && abortedProducers.has(producerId);
      if (!isAborted) {
        const decoded = await decodeRecordBatch(batch);
        memory.leftBytes -= decoded.memoryBytes;
        for (const record of decoded.records) records.push(record);
        if (isControl && decoded.records.some(isAbortMarker)) abortedProducers.delete(producerId);
      }
      // What a batch covers may end after its last record that is left. A control record, which no consumer sees,
      // holds the place, so that the position moves past it.
      if (records.at(-1)?.offset !== String(lastOffset)) records.push(placeholder(lastOffset));
    } catch (error) {
      throw undecodable(topic, partition, batch, error);
    }
    at = end;
  }
  return records;
}

function undecodable(topic: string, partition: number, batch: Buffer, cause: unknown): UndecodableBatchError {
  const { offset, lastOffset } = batchRange(batch);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new UndecodableBatchError(
    'UNDECODABLE_BATCH',
    `The batch at ${topic} partition ${partition} offset ${offset} to ${lastOffset} cannot be read: ${reason}`,
    { topic, partition, offset, lastOffset, reason },
  );
}

/** The key of a transaction marker: a version, then its type as int16; 0 is abort. */
function isAbortMarker({ key }: DecodedRecord): boolean {
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
}

function placeholder(offset: number): DecodedRecord {
  return {
    offset: String(offset),
    timestamp: '-1',
    key: null,
    value: null,
    headers: {},
    isControlRecord: true,
  };
}
