import { periodOf } from '../../../src/audit/dedup-window';

const TOPIC = 'usage.session';
const freezes = new Map([
  ['2026-09', new Map([[TOPIC, 100]])],
  ['2026-10', new Map([[TOPIC, 100]])], // Closed at once with the month before.
  ['2026-12', new Map([[TOPIC, 250]])],
]);

test.each([
  [0, { number: 0, openMonth: undefined, until: 100 }],
  [99, { number: 0, openMonth: undefined, until: 100 }],
  [100, { number: 2, openMonth: '2026-11', until: 250 }],
  [249, { number: 2, openMonth: '2026-11', until: 250 }],
  [250, { number: 3, openMonth: '2027-01', until: Infinity }],
])('offset %d', (offset, expected) => {
  expect(periodOf(freezes, TOPIC, offset)).toEqual(expected);
});

test('a topic that began after a freeze was frozen at 0; no freeze, no open month', () => {
  expect(periodOf(freezes, 'usage.agent', 0)).toMatchObject({ number: 3, openMonth: '2027-01' });
  expect(periodOf(new Map(), TOPIC, 7)).toEqual({ number: 0, openMonth: undefined, until: Infinity });
});
