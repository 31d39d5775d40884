import type { CloseRecord } from '../../../schemas/types';
import { replayHorizon } from '../../../src/installation/replay-horizon';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';

const TOPIC = 'usage.session';
const close = (month: string, closedAt: string, offset: number): CloseRecord => ({
  ...{ month, closedAt },
  cursors: { 3: { [TOPIC]: offset } },
});
const monthly = [
  close('2026-07', '2026-08-01T01:00:00Z', 700),
  close('2026-08', '2026-09-01T01:00:00Z', 800),
  close('2026-09', '2026-10-01T01:00:00Z', 900),
  close('2026-10', '2026-11-01T01:00:00Z', 1_000),
];
const needed = (month: string, closes: readonly CloseRecord[], begin = 5): number =>
  replayHorizon(month, {
    ...{ lane: TOPIC, shard: 3, closes, begin, futureMs: 3_600_000 },
    calendar: createBillingCalendar('UTC'),
  });

test('monthly closes: the freeze before the last one that was over when the month began', () => {
  // November may have come from 00:00 on, before October was frozen at 01:00; its repeats are told
  // from September's ids.
  expect(needed('2026-11', monthly)).toBe(800);
  expect(needed('2026-10', monthly)).toBe(700);
  expect(needed('2026-09', monthly)).toBe(5);
});

test('months that were closed long after, all at once, say nothing of what came before', () => {
  const atOnce = monthly.map((record) => ({ ...record, closedAt: '2026-11-20T01:00:00Z' }));
  expect(needed('2026-11', atOnce)).toBe(5);
});

test('a close that began less than a day before the month may have frozen within it', () => {
  const late = [...monthly.slice(0, 2), close('2026-09', '2026-10-31T12:00:00Z', 900)];
  expect(needed('2026-11', late)).toBe(700);
});

test('counting began where the first cursor was made', () => {
  expect(needed('2026-11', [])).toBe(5);
  expect(needed('2026-11', monthly, 850)).toBe(850);
});
