import { PacedRefusals } from '../../../../../src/web/http/refusals/paced-refusals';

test('a refusal waits for a second, and those of one holder leave 5 ms apart', () => {
  const refusals = new PacedRefusals();
  expect([0, 0, 2].map((nowMs) => refusals.begin('noisy', nowMs))).toEqual([1_000, 1_005, 1_008]);
  expect(refusals.begin('quiet', 2)).toBe(1_000);
  expect(refusals.begin('noisy', 5_000)).toBe(1_000);
});

test('three thousand of a holder may wait', () => {
  const refusals = new PacedRefusals();
  const waits = Array.from({ length: 3_001 }, () => refusals.begin('noisy', 0));
  expect(waits.slice(-2)).toEqual([1_000 + 2_999 * 5, undefined]);
  refusals.end('noisy');
  expect(refusals.begin('noisy', 0)).toBe(1_000 + 3_000 * 5);
  expect(refusals.begin('quiet', 0)).toBe(1_000);
});
