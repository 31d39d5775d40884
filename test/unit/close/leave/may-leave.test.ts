import fc from 'fast-check';
import { monthsThatMayLeave } from '../../../../src/close/leave/may-leave';
import { createBillingCalendar } from '../../../../src/rating/billing-calendar';

const calendar = createBillingCalendar('America/New_York');
const DAY_MS = 86_400_000;

const month = fc
  .tuple(fc.integer({ min: 2024, max: 2026 }), fc.integer({ min: 1, max: 12 }))
  .map(([year, number]) => `${year}-${String(number).padStart(2, '0')}`);
const closes = fc
  .uniqueArray(month, { maxLength: 20 })
  .chain((months) =>
    fc.tuple(
      ...months.map((one) => fc.constantFrom({ month: one }, { month: one, completed: true as const })),
    ),
  );
const instant = fc.integer({ min: Date.UTC(2024, 0), max: Date.UTC(2027, 5) });
const keep = fc.integer({ min: 0, max: 500 }).map((days) => days * DAY_MS);

test('a month may leave once it is over for as long as it is kept, and all its invoices are issued', () => {
  fc.assert(
    fc.property(closes, instant, keep, (records, nowMs, keepMs) => {
      const may = monthsThatMayLeave(records, { nowMs, keepMs, calendar });
      expect(may).toEqual([...may].sort());
      for (const { month: one, ...rest } of records) {
        const [year, number] = one.split('-').map(Number) as [number, number];
        // New York is four or five hours behind UTC.
        const endMs = Date.UTC(year, number, 1, 4);
        const isOver = endMs + keepMs <= nowMs;
        const isSure = Math.abs(nowMs - endMs - keepMs) > 3_600_000;
        if (isSure) expect(may.includes(one)).toBe(isOver && 'completed' in rest);
      }
    }),
  );
});

test('a longer stay never lets more months leave', () => {
  fc.assert(
    fc.property(closes, instant, keep, keep, (records, nowMs, keepMs, more) => {
      const may = monthsThatMayLeave(records, { nowMs, keepMs, calendar });
      for (const one of monthsThatMayLeave(records, { nowMs, keepMs: keepMs + more, calendar }))
        expect(may).toContain(one);
    }),
  );
});
