import { promisify } from 'node:util';
import zlib from 'node:zlib';
import * as zstdWasm from '@bokuweb/zstd-wasm';
import { CompressionCodecs, CompressionTypes } from 'kafkajs';
import { compressFrame, decompressFrame } from 'lz4-napi';
import * as snappy from 'snappy';
import { TallymanError } from '../errors';

interface Codec {
  compress(encoder: { buffer: Buffer }): Promise<Buffer>;
  decompress(buffer: Buffer): Promise<Buffer>;
}

/**
 * The most that one compressed batch may unpack to. A batch of 2 MiB that is more than this is no usage but a bomb
 * (tulios/kafkajs#1795): the consumer stops with a clear error instead of running out of memory.
 */
const DECOMPRESSED_BYTES_MAX = 512 * 1024 * 1024;

const gzip: Codec = {
  compress: ({ buffer }) => promisify<Buffer, Buffer>(zlib.gzip)(buffer),
  decompress: async (buffer) => {
    try {
      return await promisify<Buffer, zlib.ZlibOptions, Buffer>(zlib.gunzip)(buffer, {
        maxOutputLength: DECOMPRESSED_BYTES_MAX,
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_BUFFER_TOO_LARGE') throw error;
      throw new TallymanError(
        'BATCH_TOO_LARGE',
        `A gzip batch unpacks to over ${DECOMPRESSED_BYTES_MAX} bytes`,
        {
          compressedBytes: buffer.length,
        },
      );
    }
  },
};

/** Java clients wrap snappy in blocks of their own (xerial); librdkafka sends it as it is. */
const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const XERIAL_HEADER_BYTES = 16;

const snappyCodec: Codec = {
  compress: async ({ buffer }) => {
    const header = Buffer.alloc(XERIAL_HEADER_BYTES);
    XERIAL_MAGIC.copy(header);
    header.writeInt32BE(1, 8);
    header.writeInt32BE(1, 12);
    const block = await snappy.compress(buffer);
    const length = Buffer.alloc(4);
    length.writeInt32BE(block.length);
    return Buffer.concat([header, length, block]);
  },
  decompress: async (buffer) => {
    if (!buffer.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return unsnap(buffer);
    const blocks: Buffer[] = [];
    for (let at = XERIAL_HEADER_BYTES; at < buffer.length;) {
      const length = buffer.readInt32BE(at);
      at += 4;
      blocks.push(await unsnap(buffer.subarray(at, at + length)));
      at += length;
    }
    return Buffer.concat(blocks);
  },
};

async function unsnap(block: Buffer): Promise<Buffer> {
  return (await snappy.uncompress(block, { asBuffer: true })) as Buffer;
}

const lz4: Codec = {
  compress: ({ buffer }) => compressFrame(buffer),
  decompress: (buffer) => decompressFrame(buffer),
};

let zstdReady: Promise<void> | undefined;
const ZSTD_LEVEL = 3;

const zstd: Codec = {
  compress: async ({ buffer }) => {
    await (zstdReady ??= zstdWasm.init());
    return Buffer.from(zstdWasm.compress(buffer, ZSTD_LEVEL));
  },
  decompress: async (buffer) => {
    await (zstdReady ??= zstdWasm.init());
    return Buffer.from(zstdWasm.decompress(buffer));
  },
};

/** kafkajs brings gzip only, and without a limit. A consumer that lacks a codec that a producer uses dies. */
export function registerCodecs(): void {
  const codecs = CompressionCodecs as Record<number, () => Codec>;
  codecs[CompressionTypes.GZIP] = () => gzip;
  codecs[CompressionTypes.Snappy] = () => snappyCodec;
  codecs[CompressionTypes.LZ4] = () => lz4;
  codecs[CompressionTypes.ZSTD] = () => zstd;
}
