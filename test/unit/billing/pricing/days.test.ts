import { cutAt, dayBefore, daysOf, isDay, periodOfMonth } from '../../../../src/billing/pricing/days';

test.each([
  ['2026-02-28', true],
  ['2026-02-29', false],
  ['2028-02-29', true],
  ['2026-04-31', false],
  ['2026-13-01', false],
  ['2026-00-10', false],
  ['2026-1-1', false],
  ['2026-01-01T00:00:00Z', false],
  ['', false],
])('"%s" is a day: %s', (text, expected) => {
  expect(isDay(text)).toBe(expected);
});

test('months know their days', () => {
  expect(periodOfMonth('2026-02')).toEqual({ from: '2026-02-01', to: '2026-02-28' });
  expect(daysOf({ from: '2026-02-03', to: '2026-02-03' })).toBe(1);
  expect(dayBefore('2026-03-01')).toBe('2026-02-28');
});

test('a period is cut where something begins in it, in whatever order that is told', () => {
  const month = periodOfMonth('2026-05');
  expect(
    cutAt(month, ['2026-05-15', '2026-04-30', '2026-05-01', '2026-05-15', '2026-06-01', '2026-05-10']),
  ).toEqual([
    { from: '2026-05-01', to: '2026-05-09' },
    { from: '2026-05-10', to: '2026-05-14' },
    { from: '2026-05-15', to: '2026-05-31' },
  ]);
  expect(cutAt(month, [])).toEqual([month]);
});
