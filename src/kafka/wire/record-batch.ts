import type { HeaderPlaces } from '../../../consumers/decode/plain-headers';
import { codecOf } from './codecs';
import { crc32c } from './crc32c';

export interface LogRecord {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** The bytes that hold value and headers. */
  readonly bytes: Buffer;
  readonly valueStart: number;
  readonly headerPlaces: HeaderPlaces;
  /** The value decoded as UTF-8; empty for null. Cheaper than through `value`. */
  valueText(): string;
  /** 0 for null. */
  readonly valueBytes: number;
  /** A header that is given several times has a list of values. */
  readonly headers: LogHeaders;
}

export type LogHeaders = Readonly<Record<string, Buffer | null | (Buffer | null)[]>>;

export interface DecodedBatch {
  readonly records: LogRecord[];
  /** The approximate memory of the records. */
  readonly memoryBytes: number;
}

/** The part of a batch's header that can be read without decoding its records. */
export interface BatchHeader {
  readonly firstOffset: number;
  /** May be after the last record that is left, because the batch covers removed ones too. */
  readonly lastOffset: number;
  readonly isTransactional: boolean;
  readonly isControl: boolean;
  readonly producerId: bigint;
  /** The election of the leader that wrote it: see leader-epochs.ts. */
  readonly leaderEpoch: number;
}

/**
 * The limit on the records and headers of one batch. 2 MiB of well compressed usage events are
 * about 200,000. Each costs about 300 bytes of heap, however small it is. A larger batch is an
 * accident or an attack, and would kill the consumer.
 */
export const MAX_BATCH_PARTS = 1_000_000;
/** Heap for each record and each header. */
const PART_BYTES = 300;

/** The length of a batch's header. A shorter batch cannot be read. */
export const HEADER_BYTES = 61;
const LENGTH_AT = 8;
const AFTER_LENGTH = 12;
const LEADER_EPOCH_AT = 12;
const MAGIC_AT = 16;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const LAST_OFFSET_DELTA_AT = 23;
const FIRST_TIMESTAMP_AT = 27;
const MAX_TIMESTAMP_AT = 35;
const PRODUCER_ID_AT = 43;
const COUNT_AT = 57;

const MAGIC = 2;
const COMPRESSION = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;

/**
 * The end of the batch that begins at `at`. Whatever the batch says, it is at least as long as the
 * part that shows its format.
 */
export function batchEnd(bytes: Buffer, at: number): number {
  return at + Math.max(AFTER_LENGTH + bytes.readInt32BE(at + LENGTH_AT), MAGIC_AT + 1);
}

/** The offsets that a batch covers, as far as they can be read from a damaged one. */
export function batchRange(batch: Buffer): { offset: number; lastOffset: number } {
  const offset = Number(batch.readBigInt64BE(0));
  const isWhole = batch[MAGIC_AT] === MAGIC && batch.length >= HEADER_BYTES;
  return { offset, lastOffset: offset + (isWhole ? batch.readInt32BE(LAST_OFFSET_DELTA_AT) : 0) };
}

/** @throws Error for a batch of another format, and for anything else */
export function readBatchHeader(batch: Buffer): BatchHeader {
  if (batch[MAGIC_AT] !== MAGIC) throw new Error(`message format ${batch[MAGIC_AT]} is not supported`);
  if (batch.length < HEADER_BYTES) throw new Error(`it is ${batch.length} bytes long`);
  const firstOffset = safeNumber(batch.readBigInt64BE(0), 'offset');
  const attributes = batch.readInt16BE(ATTRIBUTES_AT);
  return {
    firstOffset,
    lastOffset: firstOffset + batch.readInt32BE(LAST_OFFSET_DELTA_AT),
    isTransactional: (attributes & TRANSACTIONAL) !== 0,
    isControl: (attributes & CONTROL) !== 0,
    producerId: batch.readBigInt64BE(PRODUCER_ID_AT),
    leaderEpoch: batch.readInt32BE(LEADER_EPOCH_AT),
  };
}

/**
 * Decodes a whole batch of message format 2, which Kafka has used since 0.11, in place of kafkajs's
 * own decoder. That one
 * - ignores the checksum, so that a bit which a disk or a network flipped would be billed;
 * - copies a record's headers once for each of them, so that one record with 100,000 takes minutes;
 * - takes a header called `constructor` or `__proto__` for one that was given before;
 * - creates as many records as a small batch claims to hold, until the memory is full.
 *
 * @throws Error whose message says what is wrong
 */
export async function decodeRecordBatch(batch: Buffer): Promise<DecodedBatch> {
  const { firstOffset } = readBatchHeader(batch);
  const checksum = batch.readUInt32BE(CRC_AT);
  const found = crc32c(batch.subarray(ATTRIBUTES_AT));
  if (found !== checksum) throw new Error(`its checksum is ${hex(found)} and should be ${hex(checksum)}`);

  const attributes = batch.readInt16BE(ATTRIBUTES_AT);
  const count = batch.readInt32BE(COUNT_AT);
  if (count <= 0) return { records: [], memoryBytes: 0 };

  const codec = codecOf(attributes & COMPRESSION);
  const packed = batch.subarray(HEADER_BYTES);
  const reader = new RecordReader(codec ? await codec.decompress(packed) : packed, {
    firstOffset,
    firstTimestamp: Number(batch.readBigInt64BE(FIRST_TIMESTAMP_AT)),
    appendTimestamp:
      (attributes & LOG_APPEND_TIME) === 0 ? undefined : Number(batch.readBigInt64BE(MAX_TIMESTAMP_AT)),
  });
  return reader.readRecords(count);
}

interface BatchContext {
  readonly firstOffset: number;
  readonly firstTimestamp: number;
  /** Set by the broker for all records alike, if the topic is configured so. */
  readonly appendTimestamp: number | undefined;
}

const NO_HEADERS: HeaderPlaces = [];

/**
 * A record that stays in its batch: its key, value and headers are created on demand. A usage is
 * read from the bytes and its key not at all, and a Buffer costs more than the rest of a record.
 */
class BatchRecord implements LogRecord {
  constructor(
    readonly bytes: Buffer,
    readonly offset: number,
    readonly timestampMs: number,
    private readonly keyStart: number,
    private readonly keyLength: number,
    readonly valueStart: number,
    private readonly valueLength: number,
    readonly headerPlaces: HeaderPlaces,
  ) {}

  get key(): Buffer | null {
    return this.keyLength < 0 ? null : this.bytes.subarray(this.keyStart, this.keyStart + this.keyLength);
  }

  get value(): Buffer | null {
    return this.valueLength < 0
      ? null
      : this.bytes.subarray(this.valueStart, this.valueStart + this.valueLength);
  }

  get headers(): LogHeaders {
    // Without a prototype, because a header may be called `constructor`.
    const headers = Object.create(null) as Record<string, Buffer | null | (Buffer | null)[]>;
    const { bytes, headerPlaces: places } = this;
    for (let i = 0; i < places.length; i += 4) {
      const name = bytes.toString('utf8', places[i], places[i + 1]);
      const value = places[i + 2]! < 0 ? null : bytes.subarray(places[i + 2], places[i + 3]);
      const given = headers[name];
      if (given === undefined) headers[name] = value;
      else if (Array.isArray(given)) given.push(value);
      else headers[name] = [given, value];
    }
    return headers;
  }

  valueText(): string {
    return this.bytes.toString('utf8', this.valueStart, this.valueStart + this.valueBytes);
  }

  get valueBytes(): number {
    return Math.max(0, this.valueLength);
  }
}

class RecordReader {
  private at = 0;
  private parts = 0;

  constructor(
    private readonly bytes: Buffer,
    private readonly batch: BatchContext,
  ) {}

  readRecords(count: number): DecodedBatch {
    this.addParts(count);
    const records: LogRecord[] = [];
    for (let number = 0; number < count; number += 1) records.push(this.readRecord());
    if (this.at !== this.bytes.length)
      throw new Error(`it holds more than the ${count} records that it claims`);
    return { records, memoryBytes: this.bytes.length + PART_BYTES * this.parts };
  }

  /** Called before anything is allocated for them. */
  private addParts(count: number): void {
    this.parts += count;
    if (this.parts > MAX_BATCH_PARTS)
      throw new Error(`it holds more than ${MAX_BATCH_PARTS} records and headers`);
  }

  /**
   * The format is length, attributes (unused), timestamp delta, offset delta, key, value, headers.
   * All numbers are varints. Key and value are a length with as many bytes, or -1 for null.
   */
  private readRecord(): LogRecord {
    const { firstOffset, firstTimestamp, appendTimestamp } = this.batch;
    const length = this.readVarint();
    const end = this.at + length;
    if (length < 0 || end > this.bytes.length) throw new Error('a record is cut short');
    this.at += 1;
    const timestampDelta = this.readVarint();
    const timestampMs = appendTimestamp ?? firstTimestamp + timestampDelta;
    const offset = firstOffset + this.readVarint();
    const keyLength = this.readVarint();
    const keyStart = this.at;
    this.at += Math.max(0, keyLength);
    const valueLength = this.readVarint();
    const valueStart = this.at;
    this.at += Math.max(0, valueLength);
    const headers = this.readHeaders();
    if (this.at !== end) throw new Error(`the record at offset ${offset} is not as long as it claims`);
    // prettier-ignore
    return new BatchRecord(this.bytes, offset, timestampMs, keyStart, keyLength, valueStart, valueLength, headers);
  }

  private readHeaders(): HeaderPlaces {
    const count = this.readVarint();
    if (count <= 0) return NO_HEADERS;
    this.addParts(count);
    const places: number[] = [];
    for (let text = 0; text < count * 2; text += 1) {
      const length = this.readVarint();
      const start = this.at;
      this.at += Math.max(0, length);
      if (length < 0) places.push(-1, -1);
      else places.push(start, this.at);
    }
    return places;
  }

  /**
   * Zigzag, with seven bits per byte, the lowest first. From the 29th bit on it uses floating
   * point, because a time may take 64 bits.
   */
  private readVarint(): number {
    const { bytes } = this;
    let result = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = bytes[this.at++];
      if (byte === undefined) throw new Error('it ends inside a record');
      result += shift < 28 ? (byte & 0x7f) << shift : (byte & 0x7f) * 2 ** shift;
      if (byte < 0x80) return result % 2 === 0 ? result / 2 : -(result + 1) / 2;
    }
    throw new Error('a number in a record is longer than 64 bits');
  }
}

function safeNumber(value: bigint, what: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Error(`${what} ${value} is beyond 2^53`);
  return number;
}

const hex = (value: number): string => value.toString(16).padStart(8, '0');
