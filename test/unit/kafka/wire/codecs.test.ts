import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { compressFrame } from 'lz4-napi';
import { compressSync } from 'snappy';
import { fc, test } from '@fast-check/jest';
import {
  gzipCodec,
  lz4Codec,
  MAX_BATCH_BYTES,
  snappyCodec,
  zstdCodec,
} from '../../../../src/kafka/wire/codecs';

const events = Buffer.from(
  Array.from({ length: 2_000 }, (_, i) =>
    JSON.stringify({
      id: `event-${i}`,
      source: '/sfu/a',
      subject: `project-${i % 37}`,
      durationMs: (i * 7919) % 99_991,
    }),
  ).join('\n'),
);

describe.each([
  ['gzip', gzipCodec],
  ['snappy', snappyCodec],
  ['lz4', lz4Codec],
])('%s', (_, codec) => {
  it('gives back what it was given, and makes it smaller', async () => {
    const packed = await codec.compress({ buffer: events });
    expect(packed.length).toBeLessThan(events.length / 3);
    expect((await codec.decompress(packed)).equals(events)).toBe(true);
  });

  test.prop([fc.uint8Array({ maxLength: 300 })])('gives back anything', async (bytes) => {
    const buffer = Buffer.from(bytes);
    expect((await codec.decompress(await codec.compress({ buffer }))).equals(buffer)).toBe(true);
  });

  it('fails on what is cut short or no such data', async () => {
    const packed = await codec.compress({ buffer: events });
    await expect(codec.decompress(packed.subarray(0, packed.length / 2))).rejects.toThrow();
    await expect(codec.decompress(Buffer.from('this was never compressed'))).rejects.toThrow();
  });
});

const bomb = Buffer.alloc(MAX_BATCH_BYTES + 1);

it.each([
  ['gzip', gzipCodec, () => Promise.resolve(gzipSync(bomb))],
  ['snappy', snappyCodec, () => Promise.resolve(compressSync(bomb))],
  ['lz4', lz4Codec, () => compressFrame(bomb)],
  ['zstd', zstdCodec, () => Promise.resolve(fixture('bomb.zst'))],
])('%s: a bomb is an error, not the end of the memory', async (_, codec, pack) => {
  const packed = await pack();
  expect(packed.length).toBeLessThan(bomb.length / 20);
  await expect(codec.decompress(packed)).rejects.toThrow(/larger than 134217728 bytes/);
});

describe('snappy from other clients', () => {
  it('reads one raw block, as librdkafka sends it', async () => {
    expect((await snappyCodec.decompress(compressSync(events))).equals(events)).toBe(true);
  });

  it('reads many blocks, as Java sends them', async () => {
    const packed = await snappyCodec.compress({ buffer: events });
    expect(packed.subarray(0, 8).toString('latin1')).toBe('\x82SNAPPY\0');
    expect(events.length).toBeGreaterThan(4 * 32_768);
    expect((await snappyCodec.decompress(packed)).equals(events)).toBe(true);
  });
});

describe('zstd', () => {
  it.each(['level-1.zst', 'level-19.zst', 'level-3-with-size.zst'])('reads %s', async (name) => {
    expect((await zstdCodec.decompress(fixture(name))).equals(events)).toBe(true);
  });

  it('refuses a frame that asks for gigabytes of memory', async () => {
    // A window of 2 GB, and a content of 2 GB, in the smallest frames there are.
    const window = Buffer.from('28b52ffd00a8010000000000000000', 'hex');
    const content = Buffer.from('28b52ffda0ffffff7f010000000000', 'hex');
    await expect(zstdCodec.decompress(window)).rejects.toThrow(/larger than/);
    await expect(zstdCodec.decompress(content)).rejects.toThrow(/larger than/);
  });

  it('fails on what is cut short or no such data', async () => {
    const packed = fixture('level-1.zst');
    await expect(zstdCodec.decompress(packed.subarray(0, packed.length / 2))).rejects.toThrow();
    await expect(zstdCodec.decompress(Buffer.from('this was never compressed'))).rejects.toThrow();
  });
});

/** Made with zstd 1.5.4 of `events`; the bomb of 128 MiB and one zero bytes. */
function fixture(name: string): Buffer {
  return readFileSync(join(__dirname, '../../../kit/fixtures', name));
}
