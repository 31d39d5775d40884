import fc from 'fast-check';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';
import { parseInstant } from '../../../src/rating/instant';

const NANOSECOND_BEFORE = { nanos: 999_999_999 };

const ZONES = [
  'UTC',
  'America/New_York',
  'Europe/Berlin',
  'Asia/Kolkata',
  'Asia/Kathmandu',
  'Australia/Lord_Howe', // Summer time of half an hour.
  'Pacific/Kiritimati', // +14:00
  'Pacific/Pago_Pago', // -11:00
  'America/St_Johns',
  'America/Havana', // Midnight comes twice in November.
  'Asia/Beirut', // There is no midnight on one day in March.
  'Africa/Cairo',
];

/** The local day by the platform, for a zone and milliseconds. */
function platformDay(zone: string): (epochMs: number) => string {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  });
  return (epochMs) => format.format(epochMs);
}

describe.each(ZONES)('%s', (zone) => {
  const calendar = createBillingCalendar(zone);
  const dayByPlatform = platformDay(zone);

  test('days are those of the platform, at any moment of twenty years', () => {
    fc.assert(
      fc.property(fc.integer({ min: Date.UTC(2015), max: Date.UTC(2035) }), (epochMs) => {
        const seconds = Math.floor(epochMs / 1000);
        const day = dayByPlatform(seconds * 1000);
        expect(calendar.dayOf({ seconds, nanos: 0 })).toEqual({ day, month: day.slice(0, 7) });
      }),
      { numRuns: 300 },
    );
  });

  test('a month begins with its first nanosecond and ends with its last, and the next one joins', () => {
    for (let month = '2025-10'; month <= '2027-12'; month = calendar.nextMonth(month)) {
      const start = calendar.monthStart(month) / 1000;
      const end = calendar.monthEnd(month) / 1000;
      expect(calendar.dayOf({ seconds: start, nanos: 0 })).toEqual({ day: `${month}-01`, month });
      expect(calendar.dayOf({ seconds: end - 1, ...NANOSECOND_BEFORE }).month).toBe(month);
      expect(calendar.dayOf({ seconds: start - 1, ...NANOSECOND_BEFORE }).month).toBe(
        calendar.previousMonth(month),
      );
      expect(calendar.monthStart(calendar.nextMonth(month))).toBe(end * 1000);
      expect(calendar.monthOfMs(start * 1000)).toBe(month);
      expect(calendar.monthOfMs(start * 1000 - 1)).toBe(calendar.previousMonth(month));
    }
  });
});

test.each([
  ['UTC', '2026-10', '2026-10-01T00:00:00Z', '2026-11-01T00:00:00Z'],
  ['America/New_York', '2026-03', '2026-03-01T00:00:00-05:00', '2026-04-01T00:00:00-04:00'],
  ['America/New_York', '2026-11', '2026-11-01T00:00:00-04:00', '2026-12-01T00:00:00-05:00'],
  ['Europe/Berlin', '2026-12', '2026-12-01T00:00:00+01:00', '2027-01-01T00:00:00+01:00'],
  ['Asia/Kathmandu', '2024-02', '2024-02-01T00:00:00+05:45', '2024-03-01T00:00:00+05:45'],
])('%s: the edges of %s', (zone, month, start, end) => {
  const calendar = createBillingCalendar(zone);
  expect(calendar.monthStart(month)).toBe(Date.parse(start));
  expect(calendar.monthEnd(month)).toBe(Date.parse(end));
});

test('the day on which clocks change is one day, 23 or 25 hours long', () => {
  const calendar = createBillingCalendar('America/New_York');
  const dayAt = (text: string): string => calendar.dayOf(parseInstant(text)!).day;
  expect(dayAt('2026-03-08T00:00:00-05:00')).toBe('2026-03-08');
  expect(dayAt('2026-03-08T23:59:59.999999999-04:00')).toBe('2026-03-08');
  expect(dayAt('2026-11-01T00:00:00-04:00')).toBe('2026-11-01');
  expect(dayAt('2026-11-01T23:59:59.999999999-05:00')).toBe('2026-11-01');
  expect(dayAt('2026-11-02T00:00:00-05:00')).toBe('2026-11-02');
});

test('a day that a zone skipped does not exist', () => {
  const calendar = createBillingCalendar('Pacific/Apia');
  const before = Date.parse('2011-12-30T10:00:00Z') / 1000;
  expect(calendar.dayOf({ seconds: before - 1, nanos: 0 }).day).toBe('2011-12-29');
  expect(calendar.dayOf({ seconds: before, nanos: 0 }).day).toBe('2011-12-31');
});

test('days never go back, even if clocks were turned back over the first midnight of a month', () => {
  // In 2009 Newfoundland went from 00:01 on November 1 to 23:01 on October 31.
  const calendar = createBillingCalendar('America/St_Johns');
  let last = '';
  const months = new Set<string>();
  for (
    let seconds = Date.UTC(2009, 9, 31, 12) / 1000;
    seconds < Date.UTC(2009, 10, 1, 12) / 1000;
    seconds += 10
  ) {
    const { day, month } = calendar.dayOf({ seconds, nanos: 0 });
    expect(day >= last).toBe(true);
    expect(month).toBe(seconds * 1000 < calendar.monthStart('2009-11') ? '2009-10' : '2009-11');
    last = day;
    months.add(month);
  }
  expect([...months]).toEqual(['2009-10', '2009-11']);
});

test('answers stay right when more days are asked for than are kept', () => {
  const calendar = createBillingCalendar('Europe/Berlin');
  const dayByPlatform = platformDay('Europe/Berlin');
  for (let day = 0; day < 1_200; day += 1)
    calendar.dayOf({ seconds: 1_700_000_000 + day * 86_400, nanos: 0 });
  const seconds = 1_700_000_000;
  expect(calendar.dayOf({ seconds, nanos: 0 }).day).toBe(dayByPlatform(seconds * 1000));
});

test('months follow each other over the end of a year', () => {
  const calendar = createBillingCalendar('UTC');
  expect(calendar.nextMonth('2026-12')).toBe('2027-01');
  expect(calendar.previousMonth('2027-01')).toBe('2026-12');
  expect(calendar.previousMonth('2026-03')).toBe('2026-02');
});

test.each(['2026-13', '2026-00', '2026-1', '202610', '2026-10-01', ''])('%j is not a month', (month) => {
  const calendar = createBillingCalendar('UTC');
  expect(() => calendar.monthStart(month)).toThrow(RangeError);
  expect(() => calendar.nextMonth(month)).toThrow(RangeError);
});

test('an unknown zone is refused at once', () => {
  expect(() => createBillingCalendar('Europe/Atlantis')).toThrow('there is no time zone "Europe/Atlantis"');
});
