import { Decimal } from '../../../../src/billing/pricing/decimal';
import { dailyChart, dailyUsage } from '../../../../src/web/pages/daily-chart';

const daily = new Map([
  ['2026-02-01/agent.session', 90n],
  ['2026-02-28/agent.session', 6_000n],
  ['2026-02-02/session.webrtc', 60n],
  ['2026-01-31/agent.session', 600n],
]);

test('every day of the month is there once, in billing units; late usage of other months is not', () => {
  const days = dailyUsage('2026-02', 'agent.session', daily);
  expect(days).toHaveLength(28);
  expect(days.map(({ day }) => day)).toEqual([...new Set(days.map(({ day }) => day))].sort());
  const used = days.filter(({ quantity }) => !quantity.isZero());
  expect(used.map(({ day, quantity }) => [day, quantity.toFixed()])).toEqual([
    ['2026-02-01', '1.5'],
    ['2026-02-28', '100'],
  ]);
  expect(dailyUsage('2028-02', 'agent.session', daily)).toHaveLength(29);
});

/** The heights of the bars, and the table's numbers. */
function shown(quantities: readonly string[]): { bars: number[]; numbers: string[]; text: string } {
  const days = quantities.map((quantity, i) => ({
    day: `2026-02-${String(i + 1).padStart(2, '0')}`,
    quantity: new Decimal(quantity),
  }));
  const { text } = dailyChart('agent.session', days);
  const bars = [...text.matchAll(/class="bar"[^/]*? height="([\d.]+)"/gs)].map(([, height]) =>
    Number(height),
  );
  const numbers = [...text.matchAll(/<td class="number">([^<]*)</g)].map(([, number]) => number!);
  return { bars, numbers, text };
}

test('bars are as tall as their day, and the table has the same numbers exactly', () => {
  const { bars, numbers } = shown(['0', '1', '250', '500']);
  expect(bars[0]).toBe(0);
  expect(bars[1]).toBe(1.5); // A day with usage is never invisible.
  expect(bars[3]! / bars[2]!).toBeCloseTo(2, 5);
  expect(numbers).toEqual(['0', '1', '250', '500']);
  expect(shown(['1234567.000000000001']).numbers).toEqual(['1,234,567.000000000001']);
});

test.each([['0'], ['0.000000000003'], ['7'], ['123456789012345678901234567890']])(
  'no bar of %s leaves the picture',
  (most) => {
    const { bars, text } = shown([most, '0']);
    for (const height of bars) expect(height).toBeLessThanOrEqual(184);
    expect(text).not.toMatch(/NaN|Infinity/);
  },
);

test('a model cannot write HTML', () => {
  const { text } = dailyChart('inference.stt/<script>"', dailyUsage('2026-02', 'inference.stt/x', daily));
  expect(text).not.toContain('<script>');
  expect(text).toContain('&lt;script&gt;&quot;');
});
