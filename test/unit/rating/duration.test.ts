import fc from 'fast-check';
import { durationBetween, durationOfMs } from '../../../src/rating/duration';

const instants = fc.record({
  seconds: fc.integer({ min: -62_167_219_200, max: 253_402_300_799 }),
  nanos: fc.integer({ min: 0, max: 999_999_999 }),
});
const total = ({ seconds, nanos }: { seconds: number; nanos: number }): bigint =>
  BigInt(seconds) * 1_000_000_000n + BigInt(nanos);

test('the time between two instants is exact to the nanosecond, and undefined when it would be negative', () => {
  fc.assert(
    fc.property(instants, instants, (start, end) => {
      const nanos = total(end) - total(start);
      const duration = durationBetween(start, end);
      expect(duration && total(duration)).toBe(nanos < 0n ? undefined : nanos);
      if (duration) expect(duration.nanos >= 0 && duration.nanos < 1_000_000_000).toBe(true);
    }),
  );
});

test('an instant to itself is zero, a nanosecond back is negative', () => {
  const start = { seconds: 5, nanos: 0 };
  expect(durationBetween(start, start)).toEqual({ seconds: 0, nanos: 0 });
  expect(durationBetween(start, { seconds: 4, nanos: 999_999_999 })).toBeUndefined();
});

test('milliseconds are exact up to 2^53-1', () => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (durationMs) => {
      expect(total(durationOfMs(durationMs))).toBe(BigInt(durationMs) * 1_000_000n);
    }),
  );
  expect(total(durationOfMs(Number.MAX_SAFE_INTEGER))).toBe(9_007_199_254_740_991_000_000n);
});
