import { checkMayClose, dueMonths, type CloseState } from '../../../src/close/due-months';
import { createBillingCalendar } from '../../../src/rating/billing-calendar';

const utc = createBillingCalendar('UTC');
const HOUR_MS = 3_600_000;
const at = (iso: string): number => Date.parse(iso);

function state(
  closedMonths: string[],
  openMonthsWithUsage: string[],
  unfinishedMonths: string[] = [],
  interruptedMonths: string[] = [],
  frozenMonths: string[] = [],
): CloseState {
  return { closedMonths, unfinishedMonths, interruptedMonths, frozenMonths, openMonthsWithUsage };
}

function refusal(month: string, of: CloseState, now: string, calendar = utc): string {
  try {
    checkMayClose(month, of, at(now), HOUR_MS, calendar);
    return 'may be closed';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('which months are due', () => {
  test('those that are closed but not finished come first', () => {
    const unfinished = state(['2026-07', '2026-08', '2026-09'], ['2026-10'], ['2026-09', '2026-07']);
    expect(dueMonths(unfinished, at('2026-11-02T00:00:00Z'), HOUR_MS, utc)).toEqual([
      '2026-07',
      '2026-09',
      '2026-10',
    ]);
  });

  test('an interrupted close comes before drafts, and a frozen month that is over is due', () => {
    const left = state(
      ['2026-07', '2026-08', '2026-09'],
      [],
      ['2026-07', '2026-09'],
      ['2026-09'],
      ['2026-10'],
    );
    expect(dueMonths(left, at('2026-11-02T00:00:00Z'), HOUR_MS, utc)).toEqual([
      '2026-09',
      '2026-07',
      '2026-10',
    ]);
  });

  test.each<[string, string, string[], string[], string[]]>([
    ['nothing closed, no usage: the month that ended last', '2026-11-23T00:00:00Z', [], [], ['2026-10']],
    [
      'from the earliest usage on',
      '2026-11-23T00:00:00Z',
      [],
      ['2026-08', '2026-11'],
      ['2026-08', '2026-09', '2026-10'],
    ],
    [
      'after the latest close',
      '2026-11-23T00:00:00Z',
      ['2026-08', '2026-09'],
      ['2026-10', '2026-11'],
      ['2026-10'],
    ],
    ['all is closed', '2026-11-23T00:00:00Z', ['2026-10'], ['2026-11'], []],
    ['in the grace period', '2026-11-01T00:59:59.999Z', ['2026-09'], ['2026-10'], []],
    ['when the grace period ends', '2026-11-01T01:00:00Z', ['2026-09'], ['2026-10'], ['2026-10']],
    ['over the end of a year', '2027-01-01T01:00:00Z', ['2026-11'], [], ['2026-12']],
  ])('%s', (_, now, closed, open, due) => {
    expect(dueMonths(state(closed, open), at(now), HOUR_MS, utc)).toEqual(due);
  });

  test('closed months alone while one is frozen too early', () => {
    const early = state(['2026-09'], ['2026-10'], ['2026-09'], [], ['2026-11']);
    expect(dueMonths(early, at('2026-11-23T00:00:00Z'), HOUR_MS, utc)).toEqual(['2026-09']);
  });

  test('by the clock of the billing zone', () => {
    const newYork = createBillingCalendar('America/New_York');
    const after = state(['2026-09'], ['2026-10']);
    expect(dueMonths(after, at('2026-11-01T04:59:59Z'), HOUR_MS, newYork)).toEqual([]);
    expect(dueMonths(after, at('2026-11-01T05:00:00Z'), HOUR_MS, newYork)).toEqual(['2026-10']);
  });
});

describe('what may be closed', () => {
  test.each<[string, string, CloseState, string, string]>([
    ['a month that is over', '2026-10', state([], ['2026-10']), '2026-11-01T01:00:00Z', 'may be closed'],
    ['not before it is over', '2026-11', state(['2026-10'], []), '2026-11-23T00:00:00Z', 'MONTH_NOT_OVER'],
    ['not in the grace period', '2026-10', state([], []), '2026-11-01T00:59:59Z', 'MONTH_NOT_OVER'],
    [
      'again: the close is repeatable',
      '2026-10',
      state(['2026-10', '2026-11'], []),
      '2026-12-23T00:00:00Z',
      'may be closed',
    ],
    [
      'not while an earlier one holds usage',
      '2026-10',
      state([], ['2026-09', '2026-10']),
      '2026-11-23T00:00:00Z',
      'EARLIER_MONTH_OPEN',
    ],
    [
      'not over a month that was left out',
      '2026-10',
      state(['2026-08'], []),
      '2026-11-23T00:00:00Z',
      'EARLIER_MONTH_OPEN',
    ],
    [
      'not beside one whose close was interrupted',
      '2026-10',
      state(['2026-09'], [], ['2026-09'], ['2026-09']),
      '2026-11-23T00:00:00Z',
      'MONTH_UNFINISHED',
    ],
    [
      'beside one with drafts',
      '2026-10',
      state(['2026-09'], [], ['2026-09']),
      '2026-11-23T00:00:00Z',
      'may be closed',
    ],
    [
      'not a running month that was frozen under another clock',
      '2026-11',
      state(['2026-10'], [], [], [], ['2026-11']),
      '2026-11-23T00:00:00Z',
      'FROZEN_TOO_EARLY',
    ],
    [
      'not a month that was frozen before it ended, also when it is over',
      '2026-11',
      { ...state(['2026-10'], [], [], [], ['2026-11']), frozenTooEarly: ['2026-11'] },
      '2026-12-01T01:00:00Z',
      'FROZEN_TOO_EARLY',
    ],
    [
      'not a month before one that was frozen too early',
      '2026-10',
      state([], ['2026-10'], [], [], ['2026-11']),
      '2026-11-23T00:00:00Z',
      'FROZEN_TOO_EARLY',
    ],
    [
      'a closed month beside one that was frozen too early',
      '2026-09',
      state(['2026-09'], ['2026-10'], ['2026-09'], [], ['2026-11']),
      '2026-11-23T00:00:00Z',
      'may be closed',
    ],
    [
      'a frozen month that is over by now',
      '2026-11',
      state(['2026-10'], [], [], [], ['2026-11']),
      '2026-12-01T01:00:00Z',
      'may be closed',
    ],
    [
      'not before one that is closed',
      '2026-08',
      state(['2026-10'], []),
      '2026-11-23T00:00:00Z',
      'MONTH_PASSED',
    ],
  ])('%s', (_, month, of, now, expected) => {
    expect(refusal(month, of, now)).toBe(expected);
  });
});
