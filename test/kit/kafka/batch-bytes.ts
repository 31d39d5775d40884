import { gzipSync } from 'node:zlib';

/**
 * Record batches as brokers send them, made here byte by byte: kafkajs cannot write all that has to
 * be read.
 */

export interface BatchOptions {
  readonly offsets: readonly number[];
  readonly firstOffset?: number;
  /** What the batch covers may end after its last record. */
  readonly lastOffset?: number;
  readonly producerId?: number;
  readonly transactional?: boolean;
  readonly control?: 'abort' | 'commit';
  readonly gzip?: boolean;
  readonly codec?: number;
  /** The value of every record. By default, a record's value is its offset. */
  readonly value?: Buffer | null;
  /** The value by record, instead of `value`. */
  readonly valueFor?: (offset: number) => Buffer;
  /** Value and headers by record, instead of all of these. */
  readonly recordFor?: (offset: number) => Required<Pick<BatchOptions, 'value' | 'headers'>>;
  readonly firstTimestamp?: number;
  /** The same for every record. */
  readonly headers?: readonly (readonly [name: string, value: Buffer | null])[];
  /** The time that the broker set for all records alike. */
  readonly appendTimestamp?: number;
  /** How many records the batch claims to hold. */
  readonly count?: number;
}

export function batchBytes(options: BatchOptions): Buffer {
  const { offsets, producerId = -1, transactional, control, gzip } = options;
  const firstOffset = options.firstOffset ?? offsets[0] ?? 0;
  const lastOffset = options.lastOffset ?? offsets.at(-1) ?? firstOffset;
  const key = control ? Buffer.from([0, 0, 0, control === 'abort' ? 0 : 1]) : Buffer.from('k');
  const headers = headerBytes(options.headers ?? []);
  const records = Buffer.concat(
    offsets.map((offset) => {
      const own = options.recordFor?.(offset);
      if (own) return recordBytes(offset - firstOffset, key, own.value, headerBytes(own.headers));
      const value = valueAt(options, offset);
      return recordBytes(offset - firstOffset, key, value, headers);
    }),
  );
  const header = Buffer.alloc(61);
  header.writeBigInt64BE(BigInt(firstOffset), 0);
  header.writeInt8(2, 16);
  const codec = options.codec ?? (gzip ? 1 : 0);
  header.writeInt16BE(codec | (transactional || control ? 0x10 : 0) | (control ? 0x20 : 0), 21);
  header.writeBigInt64BE(BigInt(options.firstTimestamp ?? 0), 27);
  if (options.appendTimestamp !== undefined) {
    header.writeInt16BE(header.readInt16BE(21) | 0x08, 21);
    header.writeBigInt64BE(BigInt(options.appendTimestamp), 35);
  }
  header.writeInt32BE(lastOffset - firstOffset, 23);
  header.writeBigInt64BE(BigInt(producerId), 43);
  header.writeInt32BE(options.count ?? offsets.length, 57);
  const body = gzip ? gzipSync(records) : records;
  header.writeInt32BE(header.length + body.length - 12, 8);
  return withChecksum(Buffer.concat([header, body]));
}

function valueAt({ value, valueFor }: BatchOptions, offset: number): Buffer | null {
  if (valueFor) return valueFor(offset);
  return value === undefined ? Buffer.from(String(offset)) : value;
}

/** kafkajs's CRC-32C: it writes it, and never reads it. */
// eslint-disable-next-line @typescript-eslint/no-require-imports -- it has no types
const kafkajsCrc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number;

export function withChecksum(batch: Buffer): Buffer {
  batch.writeUInt32BE(kafkajsCrc32c(batch.subarray(21)), 17);
  return batch;
}

function recordBytes(offsetDelta: number, key: Buffer, value: Buffer | null, headers: Buffer): Buffer {
  const body = Buffer.concat([
    Buffer.from([0]),
    varInt(0),
    varInt(offsetDelta),
    sized(key),
    sized(value),
    headers,
  ]);
  return Buffer.concat([varInt(body.length), body]);
}

function headerBytes(headers: NonNullable<BatchOptions['headers']>): Buffer {
  const parts = headers.flatMap(([name, value]) => [sized(Buffer.from(name)), sized(value)]);
  return Buffer.concat([varInt(headers.length), ...parts]);
}

const sized = (bytes: Buffer | null): Buffer =>
  bytes ? Buffer.concat([varInt(bytes.length), bytes]) : varInt(-1);

function varInt(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value < 0 ? -2 * value - 1 : 2 * value; // Zigzag.
  do {
    bytes.push((rest % 128) + (rest >= 128 ? 128 : 0));
    rest = Math.floor(rest / 128);
  } while (rest > 0);
  return Buffer.from(bytes);
}
