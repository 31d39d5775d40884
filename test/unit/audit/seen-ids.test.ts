import { fc, test as property } from '@fast-check/jest';
import { SeenIds } from '../../../src/audit/seen-ids';

/** Few lower halves, so that slots collide; the upper ones tell them apart. */
const fingerprint = fc.record({
  high: fc.integer({ min: 1, max: 4 }),
  low: fc.oneof(fc.integer({ min: 0, max: 9 }), fc.constantFrom(1_023, 1_024, 2 ** 32 - 1, 2 ** 32 - 1_024)),
});

property.prop([fc.array(fingerprint)])('finds what was added first, and nothing else', (fingerprints) => {
  const seen = new SeenIds();
  const model = new Map<string, number>();
  for (const [offset, { low, high }] of fingerprints.entries()) {
    const key = `${high}/${low}`;
    expect(seen.find(low, high)).toBe(model.get(key));
    if (model.has(key)) continue;
    seen.add(low, high, offset);
    model.set(key, offset);
  }
});

test('grows, and keeps offsets beyond 32 bits', () => {
  const seen = new SeenIds();
  const count = 50_000;
  for (let i = 0; i < count; i += 1) seen.add(Math.imul(i, 2_654_435_761) >>> 0, 1 + (i % 7), 2 ** 40 + i);
  for (let i = 0; i < count; i += 1)
    expect(seen.find(Math.imul(i, 2_654_435_761) >>> 0, 1 + (i % 7))).toBe(2 ** 40 + i);
  expect(seen.find(1, 9)).toBeUndefined();
});
