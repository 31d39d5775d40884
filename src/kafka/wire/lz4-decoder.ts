/**
 * The LZ4 frame format, read (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and
 * lz4_Block_format.md). The native addon that writes it has an allocator of its own, which keeps
 * what it once took: 18 batches of 120 MiB left a consumer with 3 GiB, however soon they were
 * collected. Here the output is an ordinary Buffer, as long as it must be.
 *
 * A block is a row of sequences: a token, literals to copy from the input, and a match, bytes to
 * copy from the output before. The last has literals alone. All is measured and checked in a first
 * pass, and copied in a second.
 */
const MAGIC = 0x184d2204;
const HEADER_BYTES = 7;
const VERSION = 1;
/** By the number that stands in the header. */
const BLOCK_BYTES: Readonly<Record<number, number>> = { 4: 65_536, 5: 262_144, 6: 1_048_576, 7: 4_194_304 };

const INDEPENDENT_BLOCKS = 0x20;
const BLOCK_CHECKSUMS = 0x10;
const CONTENT_SIZE = 0x08;
const DICTIONARY = 0x01;

/** Four bits hold less; more follows then, a byte at a time, until one is not 255. */
const LONG = 15;
const MIN_MATCH_BYTES = 4;
/** A loop copies fewer bytes than this faster than a call. */
const CALL_FROM_BYTES = 48;

interface Block {
  readonly start: number;
  readonly end: number;
  readonly isPlain: boolean;
}

/**
 * Unpacks one frame. Its checksums are not looked at: Kafka's own covers the whole batch.
 *
 * @param tooLarge makes the error that is thrown when more than `maxBytes` would come out; nothing
 *   is unpacked then
 * @throws Error in whose message stands what is wrong
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
  const plain = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const block of blocks) {
    if (block.isPlain) at += frame.copy(plain, at, block.start, block.end);
    else at = unpackBlock(frame, block, plain, at);
  }
  return plain;
}

function readFrame(frame: Buffer): { blocks: Block[]; blockBytes: number; areIndependent: boolean } {
  if (frame.length < HEADER_BYTES || frame.readUInt32LE(0) !== MAGIC) throw new Error('it is no LZ4 frame');
  const flags = frame.readUInt8(4);
  const blockBytes = BLOCK_BYTES[frame.readUInt8(5) >> 4];
  if (flags >> 6 !== VERSION || blockBytes === undefined)
    throw new Error('its LZ4 frame is of no known version');
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
 * How much comes out of a block.
 *
 * @param before so many bytes of output before the block may be copied from
 * @throws Error where `unpackBlock` would read or write what is not the block's
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

/** @returns where in `plain` the block ends, which begins at `to` */
function unpackBlock(bytes: Buffer, { start, end }: Block, plain: Buffer, to: number): number {
  let at = start;
  for (;;) {
    const token = bytes[at++]!;
    let literals = token >> 4;
    if (literals === LONG) {
      let more = 255;
      while (more === 255) literals += more = bytes[at++]!;
    }
    if (literals < CALL_FROM_BYTES) for (const stop = at + literals; at < stop;) plain[to++] = bytes[at++]!;
    else {
      to += bytes.copy(plain, to, at, at + literals);
      at += literals;
    }
    if (at === end) return to;
    const from = to - (bytes[at]! | (bytes[at + 1]! << 8));
    at += 2;
    let match = token & LONG;
    if (match === LONG) {
      let more = 255;
      while (more === 255) match += more = bytes[at++]!;
    }
    match += MIN_MATCH_BYTES;
    if (match < CALL_FROM_BYTES)
      for (let next = from, stop = to + match; to < stop;) plain[to++] = plain[next++]!;
    else to = repeat(plain, from, to, match);
  }
}

/**
 * A match may run into its own output: what lies between `from` and `to` is repeated then, twice as
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
