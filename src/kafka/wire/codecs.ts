import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { Decompress } from 'fzstd';
import { CompressionCodecs, CompressionTypes } from 'kafkajs';
import { decompressLz4 } from './lz4-decoder';
import { nativeLz4 } from './native-codecs';
import { compressSnappy, decompressSnappy } from './snappy-codec';

/**
 * The limit on the decompressed size of one batch. A topic takes batches of 2 MiB, which usage
 * events fill from some 40 MiB at best. A larger batch is an accident or an attack, and would
 * exhaust the consumer's memory.
 */
export const MAX_BATCH_BYTES = 128 * 1_048_576;

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

/**
 * Registers every compression that producers use. kafkajs supports only gzip, and dies of the
 * others.
 */
export function registerCodecs(): void {
  const codecs = CompressionCodecs as unknown as Record<CompressionTypes, () => Codec>;
  for (const type of [1, 2, 3, 4]) codecs[type as CompressionTypes] = () => codecOf(type)!;
}

/** How this program compresses what it publishes. gzip is slower, and needs no native package. */
export const writeCompression = (): CompressionTypes =>
  nativeLz4() === undefined ? CompressionTypes.GZIP : CompressionTypes.LZ4;

/**
 * @param type as in a batch; 0 means no compression
 * @throws Error for one that Kafka does not have
 */
export function codecOf(type: number): Codec | undefined {
  switch (type as CompressionTypes) {
    case CompressionTypes.None:
      return undefined;
    case CompressionTypes.GZIP:
      return gzipCodec;
    case CompressionTypes.Snappy:
      return snappyCodec;
    case CompressionTypes.LZ4:
      return lz4Codec;
    case CompressionTypes.ZSTD:
      return zstdCodec;
    default:
      throw new Error(`compression ${type} is not known`);
  }
}

export const gzipCodec: Codec = {
  compress: ({ buffer }) => promisify(gzip)(buffer),
  decompress: (buffer) =>
    new Promise((resolve, reject) => {
      gunzip(buffer, { maxOutputLength: MAX_BATCH_BYTES }, (error, result) => {
        if (!error) resolve(result);
        else reject((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge() : error);
      });
    }),
};

export const snappyCodec: Codec = {
  compress: ({ buffer }) => compressSnappy(buffer),
  decompress: (buffer) => decompressSnappy(buffer, MAX_BATCH_BYTES, tooLarge),
};

export const lz4Codec: Codec = {
  // In this thread: a batch takes microseconds, and a round trip to the thread pool takes longer.
  compress: ({ buffer }) => Promise.resolve(nativeLz4()!.compressFrameSync(buffer)),
  // eslint-disable-next-line @typescript-eslint/require-await -- kafkajs awaits every codec
  decompress: async (buffer) => decompressLz4(buffer, MAX_BATCH_BYTES, tooLarge),
};

/**
 * Reads zstd without a native addon, because Node only supports it from 22.15 on. Nothing here
 * writes it.
 */
export const zstdCodec: Codec = {
  compress: () => Promise.reject(new Error('zstd is read, not written: use lz4')),
  // eslint-disable-next-line @typescript-eslint/require-await -- kafkajs awaits every codec
  async decompress(buffer) {
    if (zstdWindowBytes(buffer) > MAX_BATCH_BYTES) throw tooLarge();
    const parts: Uint8Array[] = [];
    let bytes = 0;
    const stream = new Decompress((part) => {
      bytes += part.length;
      if (bytes > MAX_BATCH_BYTES) throw tooLarge();
      // The decoder may reuse this memory for its next part.
      parts.push(Buffer.from(part));
    });
    stream.push(buffer, true);
    return Buffer.concat(parts, bytes);
  },
};

function tooLarge(): Error {
  return new Error(`it is larger than ${MAX_BATCH_BYTES} bytes when decompressed`);
}

/** The memory that a zstd frame requires of its reader (RFC 8878, 3.1.1.1). */
function zstdWindowBytes(frame: Buffer): number {
  if (frame.length < 14) return 0;
  const descriptor = frame.readUInt8(4);
  const isSingleSegment = (descriptor & 0x20) !== 0;
  if (!isSingleSegment) {
    const window = frame.readUInt8(5);
    const base = 2 ** (10 + (window >> 3));
    return base + (base / 8) * (window & 7);
  }
  // A single segment's window is the size of its content, which follows the dictionary id.
  const at = 5 + ([0, 1, 2, 4][descriptor & 3] ?? 0);
  switch (descriptor >> 6) {
    case 0:
      return frame.readUInt8(at);
    case 1:
      return frame.readUInt16LE(at) + 256;
    case 2:
      return frame.readUInt32LE(at);
    default:
      return Number(frame.readBigUInt64LE(at));
  }
}
