import { Decimal } from '../../../../../src/billing/pricing/decimal';
import { dailyChart } from '../../../../../src/web/pages/billing/daily-chart';
import type { Stacks } from '../../../../../src/web/pages/billing/daily-stacks';

/** The heights of the bars, and the table's numbers. */
function shown(days: readonly (readonly string[])[]): { bars: number[]; numbers: string[]; text: string } {
  const stacks: Stacks = {
    series: days[0]!.map((_, i) => ({ name: `part ${i}`, isCovered: false, colour: i })),
    days: days.map((values, i) => ({
      day: `2026-02-${String(i + 1).padStart(2, '0')}`,
      values: values.map((value) => new Decimal(value)),
    })),
  };
  const exact = (value: Decimal): string => value.toFixed();
  const { text } = dailyChart({ title: 'Sessions by day', stacks, exact, short: exact, unit: 'minutes' });
  const bars = [...text.matchAll(/class="bar [^/]*? height="([\d.]+)"/gs)].map(([, height]) =>
    Number(height),
  );
  const numbers = [...text.matchAll(/data-live="2026[^>]*>([^<]*)</g)].map(([, number]) => number!);
  return { bars, numbers, text };
}

test('bars are as tall as their day, and the table has the same numbers exactly', () => {
  const { bars, numbers } = shown([['0'], ['1'], ['250'], ['500']]);
  expect(bars).toHaveLength(3); // A day of nothing has no bar,
  expect(bars[0]).toBe(1.5); // and a day with usage is never invisible.
  expect(bars[2]! / bars[1]!).toBeCloseTo(2, 5);
  expect(numbers).toEqual(['0', '1', '250', '500']);
  expect(shown([['1234567.000000000001']]).numbers).toEqual(['1234567.000000000001']);
});

test('the parts of a day are stacked, and named', () => {
  const { bars, text } = shown([['100', '300']]);
  expect(bars[1]! / bars[0]!).toBeCloseTo(3, 5);
  expect(text).toContain('<title>1 February: part 0 100, part 1 300</title');
  const tops = [...text.matchAll(/class="bar [^/]*? y="([\d.]+)"/gs)].map(([, y]) => Number(y));
  expect(tops[0]! - tops[1]!).toBeCloseTo(bars[1]!, 5);
});

test.each([['0'], ['0.000000000003'], ['7'], ['123456789012345678901234567890']])(
  'no bar of %s leaves the picture',
  (most) => {
    const { bars, text } = shown([[most], ['0']]);
    for (const height of bars) expect(height).toBeLessThanOrEqual(186);
    expect(text).not.toMatch(/NaN|Infinity/);
  },
);
