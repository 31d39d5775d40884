import { fc, test as property } from '@fast-check/jest';
import { FingerprintOffsets } from '../../../../src/dedup/fingerprint-set';

/** Few lower halves, so that slots collide; the upper ones tell them apart. */
const fingerprint = fc.record({
  high: fc.integer({ min: 1, max: 4 }),
  low: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(1_023, 1_024, 2 ** 32 - 1, 2 ** 32 - 1_024)),
});

property.prop([fc.array(fingerprint)])('finds what was added first, and nothing else', (fingerprints) => {
  const seen = new FingerprintOffsets();
  const model = new Map<string, number>();
  for (const [offset, { low, high }] of fingerprints.entries()) {
    const key = `${high}/${low}`;
    expect(seen.offsetOf(low, high)).toBe(model.get(key));
    if (model.has(key)) continue;
    seen.addAt(low, high, offset);
    model.set(key, offset);
  }
});

test('grows, and keeps offsets beyond 32 bits', () => {
  const seen = new FingerprintOffsets();
  const count = 50_000;
  for (let i = 0; i < count; i += 1) seen.addAt(Math.imul(i, 2_654_435_761) >>> 0, 1 + (i % 7), 2 ** 40 + i);
  for (let i = 0; i < count; i += 1)
    expect(seen.offsetOf(Math.imul(i, 2_654_435_761) >>> 0, 1 + (i % 7))).toBe(2 ** 40 + i);
  expect(seen.offsetOf(1, 9)).toBeUndefined();
});
