import fc from 'fast-check';
import { FingerprintSet } from '../../../src/dedup/fingerprint-set';

// Few values, so that many share a slot, at both ends of the table too; the upper half is never 0.
const fingerprint = fc.tuple(
  fc.oneof(fc.constantFrom(0, 1, 2, 0xffff_fffe, 0xffff_ffff), fc.nat({ max: 0xffff_ffff })),
  fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 1, max: 0xffff_ffff })),
);

test('it holds what was added, and nothing else, through every growth', () => {
  const step = fc.oneof(
    fc.record({ one: fingerprint }),
    fc.record({ many: fc.array(fingerprint, { maxLength: 60 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.array(fingerprint), (steps, others) => {
      const ids = new FingerprintSet();
      const expected = new Set<string>();
      for (const added of steps) {
        if ('one' in added) {
          expect(ids.add(...added.one)).toBe(!expected.has(String(added.one)));
          expected.add(String(added.one));
        } else {
          ids.addAll(Uint32Array.from(added.many.flat()));
          for (const one of added.many) expected.add(String(one));
        }
      }
      expect(ids.size).toBe(expected.size);
      for (const one of expected)
        expect(ids.has(...(one.split(',').map(Number) as [number, number]))).toBe(true);
      for (const one of others) expect(ids.has(...one)).toBe(expected.has(String(one)));
      ids.clear();
      expect(ids.size).toBe(0);
      for (const one of others) expect(ids.has(...one)).toBe(false);
    }),
  );
});
