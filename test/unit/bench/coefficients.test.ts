import { checkCoefficients } from '../../../bench/coefficients';
import { COEFFICIENTS } from '../../../src/ops/size/coefficients';

const row = { section: 'growth', ids: 1_000_000 };
const check = (bytesPerId: number) =>
  checkCoefficients([{ ...row, bytesPerId }], {
    idBytes: { value: 8, row, column: 'bytesPerId', margin: 0.25 },
  });

test.each([
  [10, false],
  [10.01, true],
  [6, false],
  [5.99, true],
])('8 bytes, measured %d, with a margin of a quarter', (measured, isOff) => {
  expect(check(measured)).toMatchObject([{ name: 'idBytes', isOff }]);
});

test('what was not measured is not checked', () => {
  expect(checkCoefficients([{ section: 'growth', ids: 100_000, bytesPerId: 99 }])).toEqual([]);
});

test('a coefficient says how far it is off', () => {
  expect(check(12)[0]!.text).toBe('OFF   idBytes 8, measured 12 (+50 %, at most 25 %)');
});

test('no two coefficients are the same figure', () => {
  const figures = Object.values(COEFFICIENTS).map(({ row: of, column }) => JSON.stringify([of, column]));
  expect(new Set(figures).size).toBe(figures.length);
});
