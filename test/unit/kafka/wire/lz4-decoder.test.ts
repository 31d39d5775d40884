import { compressFrameSync, compressSync, decompressFrameSync } from 'lz4-napi';
import { fc, test } from '@fast-check/jest';
import { decompressLz4 } from '../../../../src/kafka/wire/lz4-decoder';

const MIB = 1_048_576;
const unpack = (frame: Buffer, maxBytes = 16 * MIB): Buffer =>
  decompressLz4(frame, maxBytes, () => new Error('too large'));

/** Repeats of earlier bytes, near and far, short and long, as LZ4 finds them; and noise. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ maxLength: 200 }).map((bytes) => ({ bytes, from: 0, length: 0 })),
      fc.record({
        bytes: fc.constant(new Uint8Array()),
        from: fc.nat(70_000),
        length: fc.oneof(fc.nat(300), fc.nat(70_000)),
      }),
    ),
    { maxLength: 30 },
  )
  .map((parts) => {
    let at = 0;
    const whole = Buffer.alloc(30 * 70_000);
    for (const { bytes, from, length } of parts) {
      whole.set(bytes, at);
      at += bytes.length;
      const start = Math.max(0, at - 1 - from);
      for (let i = 0; i < length && at > 0; i += 1) whole[at++] = whole[start + i]!;
    }
    return whole.subarray(0, at);
  });

/** Whether its blocks, by their lengths, reach beyond the frame before an end mark comes. */
function isCutShort(frame: Buffer): boolean {
  const hasSize = (frame[4]! & 0x08) !== 0;
  const afterBlock = (frame[4]! & 0x10) !== 0 ? 4 : 0;
  let at = hasSize ? 15 : 7;
  while (at + 4 <= frame.length) {
    const header = frame.readUInt32LE(at);
    if (header === 0) return false;
    at += 4 + (header & 0x7fff_ffff) + afterBlock;
  }
  return true;
}

describe('what the native encoder wrote', () => {
  test.prop([content, fc.boolean(), fc.boolean()])(
    'comes out as it went in',
    (plain, contentChecksum, blockChecksums) => {
      const frame = compressFrameSync(plain, { contentChecksum, blockChecksums });
      expect(unpack(frame).equals(plain)).toBe(true);
    },
  );

  test.prop([content.filter(({ length }) => length > 0), fc.nat(), fc.integer({ min: 1, max: 255 })])(
    'damaged, is refused where the native decoder does not find it whole, or is within the limit',
    (plain, place, change) => {
      const frame = Buffer.from(compressFrameSync(plain, { contentChecksum: true }));
      frame[place % frame.length]! ^= change;
      const native = attempt(() => decompressFrameSync(frame));
      const ours = attempt(() => unpack(frame, 4 * MIB));
      // Unlike ours, the native decoder takes a frame whose end mark is missing.
      const isWhole = native && native.length > 0 && !isCutShort(frame);
      if (isWhole) expect(ours?.equals(native)).toBe(true);
      if (ours) expect(ours.length).toBeLessThanOrEqual(4 * MIB);
    },
  );

  test.prop([content.filter(({ length }) => length > 0), fc.nat()])(
    'cut short, is refused',
    (plain, length) => {
      const frame = compressFrameSync(plain);
      expect(() => unpack(frame.subarray(0, length % (frame.length - 4)))).toThrow(/LZ4 frame/);
    },
  );

  test.prop([content])('is refused one byte above the limit', (plain) => {
    const frame = compressFrameSync(plain);
    expect(unpack(frame, plain.length)).toHaveLength(plain.length);
    if (plain.length > 0) expect(() => unpack(frame, plain.length - 1)).toThrow('too large');
  });
});

describe('frames by hand', () => {
  const abc = Buffer.from('abc');
  /**
   * Three literals; then a match of 9 three bytes back, which runs into itself, and one literal.
   */
  const first = [0x30, ...abc];
  const repeating = [0x05, 3, 0, 0x10, 0x7a];
  const itself = [0x35, ...abc, 3, 0, 0x10, 0x7a];

  it('reads a match that runs into its own output', () => {
    expect(unpack(frameOf(0x60, [itself])).toString()).toBe('abcabcabcabcz');
  });

  it('reads blocks that copy from those before, if the frame says so', () => {
    expect(unpack(frameOf(0x40, [first, repeating])).toString()).toBe('abcabcabcabcz');
    expect(() => unpack(frameOf(0x60, [first, repeating]))).toThrow('copies from before its start');
  });

  it('reads a content size', () => {
    const frame = frameOf(0x60, [itself]);
    const withSize = Buffer.concat([frame.subarray(0, 6), Buffer.alloc(8), frame.subarray(6)]);
    withSize.writeUInt8(0x68, 4);
    withSize.writeBigUInt64LE(13n, 6);
    expect(unpack(withSize).toString()).toBe('abcabcabcabcz');
  });

  it.each([
    ['a distance of nothing', frameOf(0x60, [[0x35, ...abc, 0, 0, 0x10, 0x7a]]), 'before its start'],
    ['a distance too far', frameOf(0x60, [[0x35, ...abc, 4, 0, 0x10, 0x7a]]), 'before its start'],
    ['literals beyond the block', frameOf(0x60, [[0x40, ...abc]]), 'cut short'],
    ['a length beyond the block', frameOf(0x60, [[0xf0, 255, 255]]), 'cut short'],
    ['a match at the end', frameOf(0x60, [[0x35, ...abc, 3, 0]]), 'cut short'],
    ['half a distance', frameOf(0x60, [[0x30, ...abc, 3]]), 'cut short'],
    [
      'a block above its frame',
      frameOf(0x60, [[...compressSync(Buffer.alloc(65_537)).subarray(4)]]),
      '65536',
    ],
    ['a dictionary', frameOf(0x61, [itself]), 'dictionary'],
    ['another version', frameOf(0x80, [itself]), 'of an unknown version'],
    ['a block size that is none', frameOf(0x60, [itself], 0x30), 'of an unknown version'],
    ['no frame', Buffer.from('this was never compressed'), 'not an LZ4 frame'],
    ['nothing', Buffer.alloc(0), 'not an LZ4 frame'],
  ])('refuses %s', (_, frame, reason) => {
    expect(() => unpack(frame)).toThrow(reason);
  });
});

function frameOf(flags: number, blocks: readonly (readonly number[])[], blockSize = 0x40): Buffer {
  const parts = blocks.map((block) => {
    const size = Buffer.alloc(4);
    size.writeUInt32LE(block.length);
    return Buffer.concat([size, Buffer.from(block)]);
  });
  const header = Buffer.from([0x04, 0x22, 0x4d, 0x18, flags, blockSize, 0]);
  return Buffer.concat([header, ...parts, Buffer.alloc(4)]);
}

function attempt(run: () => Buffer): Buffer | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
