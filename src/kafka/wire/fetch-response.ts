import Decoder from 'kafkajs/src/protocol/decoder';
import { TallymanError } from '../../lib/errors';
import {
  batchEnd,
  batchRange,
  decodeRecordBatch,
  HEADER_BYTES,
  readBatchHeader,
  type DecodedBatch,
  type LogRecord,
} from './record-batch';

/**
 * A record batch that cannot be read, because its compression is unknown, it is too large when
 * decompressed, or it is damaged. Its records cannot be separated, so none can become a dead
 * letter: the consumer stops before it.
 */
class UndecodableBatchError extends TallymanError {
  /** kafkajs reads this field. The same bytes would fail again. */
  readonly retriable = false;
}

/**
 * An undecoded record batch in the place of kafkajs's records. kafkajs uses only the offset of a
 * record and whether it is for consumers. So no record is created before it is needed
 * (`unpackBatch`), and the contents of a response, which may be a thousand times its size, are
 * never in memory at once.
 */
export interface PackedBatch {
  /** The last offset that it covers, which the position moves past. */
  readonly offset: string;
  /** It holds only transaction markers or aborted records, so nothing for consumers. */
  readonly isControlRecord: boolean;
  readonly leaderEpoch: number;
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
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
  /** Always empty, because aborted batches are marked already. */
  readonly abortedTransactions: [];
  readonly preferredReadReplica: number;
  readonly messages: PackedBatch[];
}

/**
 * Decodes a fetch response of version 11, in place of kafkajs's own decoder. That one
 * - copies the records of a batch over the call stack, and dies of more than about 120,000;
 * - removes an aborted transaction from its list at each record, and so shows aborted records to a
 *   fetch that begins inside several;
 * - drops a batch that compaction has emptied, and then requests it again forever;
 * - creates all records of a response at once, some 300 bytes of heap each;
 * - does not say where in the log an unreadable batch is.
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
    byteLength > 0 ? await cutBatches(topic, partition, decoder.readBytes(byteLength), aborted) : [];
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

async function cutBatches(
  topic: string,
  partition: number,
  bytes: Buffer,
  abortedTransactions: AbortedTransaction[],
): Promise<PackedBatch[]> {
  const aborted = abortedTransactions.sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  const abortedProducers = new Set<bigint>();
  const batches: PackedBatch[] = [];
  for (let at = 0; at + HEADER_BYTES <= bytes.length;) {
    const end = batchEnd(bytes, at);
    // The broker cuts a response at its size limit, possibly in the middle of a batch.
    if (end > bytes.length) break;
    const batch = bytes.subarray(at, end);
    try {
      const { lastOffset, isTransactional, isControl, producerId, leaderEpoch } = readBatchHeader(batch);
      while (aborted[0] && aborted[0].firstOffset <= lastOffset) {
        abortedProducers.add(aborted[0].producerId);
        aborted.shift();
      }
      const isAborted = !isControl && isTransactional && abortedProducers.has(producerId);
      if (isControl) {
        const { records } = await decodeRecordBatch(batch);
        if (records.some(isAbortMarker)) abortedProducers.delete(producerId);
      }
      const isControlRecord = isControl || isAborted;
      batches.push({
        offset: String(lastOffset),
        isControlRecord,
        leaderEpoch,
        topic,
        partition,
        bytes: batch,
      });
    } catch (error) {
      throw undecodable(topic, partition, batch, error);
    }
    at = end;
  }
  return batches;
}

/**
 * The records of one batch, or none if it holds nothing for consumers.
 *
 * @throws UndecodableBatchError
 */
export async function unpackBatch(batch: PackedBatch): Promise<DecodedBatch> {
  if (batch.isControlRecord) return { records: [], memoryBytes: 0 };
  try {
    return await decodeRecordBatch(batch.bytes);
  } catch (error) {
    throw undecodable(batch.topic, batch.partition, batch.bytes, error);
  }
}

function undecodable(topic: string, partition: number, batch: Buffer, cause: unknown): UndecodableBatchError {
  const { offset, lastOffset } = batchRange(batch);
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new UndecodableBatchError(
    cause instanceof TallymanError ? cause.code : 'UNDECODABLE_BATCH',
    `The batch at ${topic} partition ${partition} offset ${offset} to ${lastOffset} cannot be read: ${reason}`,
    { topic, partition, offset, lastOffset, reason },
  );
}

/** The key of a transaction marker is a version, then its type as int16. Type 0 is abort. */
function isAbortMarker({ key }: LogRecord): boolean {
  return key !== null && key.length >= 4 && key.readInt16BE(2) === 0;
}
