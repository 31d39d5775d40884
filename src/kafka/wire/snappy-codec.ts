import { nativeSnappy } from './native-codecs';

/**
 * Snappy as Kafka's clients write it: the header of the Java library (`\x82SNAPPY\0`, a version and
 * the lowest compatible version), then raw blocks with their lengths. Some clients write a single
 * raw block instead.
 */
const MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00]);
const VERSIONS = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1]);
const HEADER_BYTES = MAGIC.length + VERSIONS.length;
/** Old readers hold one block in a buffer of about this size. */
const BLOCK_BYTES = 32_768;

export async function compressSnappy(plain: Buffer): Promise<Buffer> {
  const { compress } = nativeSnappy();
  const parts: Buffer[] = [MAGIC, VERSIONS];
  for (let at = 0; at < plain.length; at += BLOCK_BYTES) {
    const block = await compress(plain.subarray(at, at + BLOCK_BYTES));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/**
 * @param tooLarge makes the error that is thrown if the output would be larger than `maxBytes`;
 *   nothing is unpacked then
 * @throws TallymanError `CODEC_MISSING`
 */
export async function decompressSnappy(
  packed: Buffer,
  maxBytes: number,
  tooLarge: () => Error,
): Promise<Buffer> {
  const { uncompress } = nativeSnappy();
  const blocks = blocksOf(packed);
  if (blocks.reduce((sum, block) => sum + plainLength(block), 0) > maxBytes) throw tooLarge();
  const parts: Buffer[] = [];
  for (const block of blocks) parts.push((await uncompress(block, { asBuffer: true })) as Buffer);
  return Buffer.concat(parts);
}

function blocksOf(packed: Buffer): Buffer[] {
  if (!packed.subarray(0, MAGIC.length).equals(MAGIC)) return [packed];
  const blocks: Buffer[] = [];
  for (let at = HEADER_BYTES; at < packed.length;) {
    const start = at + 4;
    at = start + packed.readUInt32BE(at);
    if (at > packed.length) throw new Error('a snappy block is cut short');
    blocks.push(packed.subarray(start, at));
  }
  return blocks;
}

/** A raw block begins with the length of its output, with seven bits per byte, the lowest first. */
function plainLength(block: Buffer): number {
  let length = 0;
  for (let at = 0; at < 5; at += 1) {
    const byte = block.readUInt8(at);
    length += (byte & 0x7f) * 2 ** (7 * at);
    if (byte < 0x80) return length;
  }
  throw new Error('a snappy block has no length');
}
