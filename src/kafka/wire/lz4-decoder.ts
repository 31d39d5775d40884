/**
 * A reader of the LZ4 frame format (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and
 * lz4_Block_format.md).
 *
 * The native addon that writes it has its own allocator, which never gives memory back: 18 batches
 * of 120 MiB left a consumer with 3 GiB, however early they were collected. Here the output is an
 * ordinary Buffer of the exact length.
 *
 * A block is a list of sequences: a token, literals to copy from the input, and a match, which are
 * bytes to copy from earlier output. The last sequence has literals only. A first pass measures and
 * checks everything, and a second one copies.
 */
const MAGIC = 0x184d2204;
const HEADER_BYTES = 7;
const VERSION = 1;
/** By the code in the header. */
const BLOCK_BYTES: Readonly<Record<number, number>> = { 4: 65_536, 5: 262_144, 6: 1_048_576, 7: 4_194_304 };

const INDEPENDENT_BLOCKS = 0x20;
const BLOCK_CHECKSUMS = 0x10;
const CONTENT_SIZE = 0x08;
const DICTIONARY = 0x01;

/** Four bits hold less than this. Otherwise more bytes follow, until one is not 255. */
const LONG = 15;
const MIN_MATCH_BYTES = 4;
/** Below this number of bytes, a loop copies faster than a call. */
const CALL_FROM_BYTES = 48;
/** The loop copies four bytes at a time. The next sequence overwrites the ones too many. */
const STEP_BYTES = 4;
const OVERRUN_BYTES = STEP_BYTES - 1;

interface Block {
  readonly start: number;
  readonly end: number;
  readonly isPlain: boolean;
}

/**
 * Unpacks one frame. Its checksums are ignored, because Kafka's own covers the whole batch.
 *
 * @param tooLarge makes the error that is thrown if the output would be larger than `maxBytes`;
 *   nothing is unpacked then
 * @throws Error whose message says what is wrong
 */
export function decompressLz4(frame: Buffer, maxBytes: number, tooLarge: () => Error): Buffer {
  const { blocks, blockBytes, areIndependent } = readFrame(frame);
  let bytes = 0;
  for (const block of blocks) {
    const size = block.isPlain
      ? block.end - block.start
      : measureBlock(frame, block, areIndependent ? 0 : bytes);
    if (size > blockBytes)
      throw new Error(`an LZ4 block is larger than the ${blockBytes} bytes of its frame`);
    bytes += size;
    if (bytes > maxBytes) throw tooLarge();
  }
  const plain = Buffer.allocUnsafe(bytes + OVERRUN_BYTES);
  let at = 0;
  for (const block of blocks) {
    if (block.isPlain) at += frame.copy(plain, at, block.start, block.end);
    else at = unpackBlock(frame, block, plain, at);
  }
  return plain.subarray(0, bytes);
}

function readFrame(frame: Buffer): { blocks: Block[]; blockBytes: number; areIndependent: boolean } {
  if (frame.length < HEADER_BYTES || frame.readUInt32LE(0) !== MAGIC)
    throw new Error('it is not an LZ4 frame');
  const flags = frame.readUInt8(4);
  const blockBytes = BLOCK_BYTES[frame.readUInt8(5) >> 4];
  if (flags >> 6 !== VERSION || blockBytes === undefined)
    throw new Error('its LZ4 frame is of an unknown version');
  if ((flags & DICTIONARY) !== 0) throw new Error('its LZ4 frame needs a dictionary');
  const checksumBytes = (flags & BLOCK_CHECKSUMS) !== 0 ? 4 : 0;
  const blocks: Block[] = [];
  let at = HEADER_BYTES + ((flags & CONTENT_SIZE) !== 0 ? 8 : 0);
  for (;;) {
    if (at + 4 > frame.length) throw cutShort();
    const header = frame.readUInt32LE(at);
    if (header === 0) return { blocks, blockBytes, areIndependent: (flags & INDEPENDENT_BLOCKS) !== 0 };
    const start = at + 4;
    const end = start + (header & 0x7fff_ffff);
    at = end + checksumBytes;
    if (at > frame.length) throw cutShort();
    blocks.push({ start, end, isPlain: header > 0x7fff_ffff });
  }
}

/**
 * The size of a block's output.
 *
 * @param before how many bytes of earlier output the block may copy from
 * @throws Error if `unpackBlock` would read or write outside of the block
 */
function measureBlock(bytes: Buffer, { start, end }: Block, before: number): number {
  let at = start;
  let size = 0;
  while (at < end) {
    const token = bytes[at++]!;
    let literals = token >> 4;
    if (literals === LONG) {
      let more = 255;
      while (more === 255 && at < end) literals += more = bytes[at++]!;
    }
    at += literals;
    size += literals;
    if (at === end) return size;
    if (at + 2 > end) break;
    const distance = bytes[at]! | (bytes[at + 1]! << 8);
    at += 2;
    if (distance === 0 || distance > before + size)
      throw new Error('an LZ4 block copies from before its start');
    let match = token & LONG;
    if (match === LONG) {
      let more = 255;
      while (more === 255 && at < end) match += more = bytes[at++]!;
    }
    size += match + MIN_MATCH_BYTES;
  }
  throw cutShort();
}

/**
 * Reads and writes up to three bytes behind a block: another block or the end mark follows in the
 * frame, and `plain` has room for them.
 *
 * @returns where in `plain` the block ends; it begins at `to`
 */
function unpackBlock(bytes: Buffer, { start, end }: Block, plain: Buffer, to: number): number {
  const input = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const output = new DataView(plain.buffer, plain.byteOffset, plain.length);
  let at = start;
  for (;;) {
    const token = bytes[at++]!;
    let literals = token >> 4;
    if (literals === LONG) {
      let more = 255;
      while (more === 255) literals += more = bytes[at++]!;
    }
    if (literals < CALL_FROM_BYTES) {
      for (let i = 0; i < literals; i += STEP_BYTES) output.setInt32(to + i, input.getInt32(at + i));
    } else bytes.copy(plain, to, at, at + literals);
    at += literals;
    to += literals;
    if (at === end) return to;
    const distance = bytes[at]! | (bytes[at + 1]! << 8);
    at += 2;
    let match = token & LONG;
    if (match === LONG) {
      let more = 255;
      while (more === 255) match += more = bytes[at++]!;
    }
    match += MIN_MATCH_BYTES;
    // Four bytes at a time only if they are all there: a match may run into its own output.
    if (match < CALL_FROM_BYTES && distance >= STEP_BYTES) {
      for (let i = 0; i < match; i += STEP_BYTES) output.setInt32(to + i, output.getInt32(to - distance + i));
      to += match;
    } else to = repeat(plain, to - distance, to, match);
  }
}

/**
 * A match may run into its own output. What is between `from` and `to` is then repeated, twice as
 * much each time.
 */
function repeat(plain: Buffer, from: number, to: number, length: number): number {
  const end = to + length;
  while (to < end) {
    const span = Math.min(to - from, end - to);
    plain.copyWithin(to, from, from + span);
    to += span;
  }
  return to;
}

const cutShort = (): Error => new Error('its LZ4 frame is cut short');
