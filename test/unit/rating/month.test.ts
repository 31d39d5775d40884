import {
  daysIn,
  isLateField,
  isMonth,
  lateField,
  monthOf,
  nextMonth,
  previousMonth,
  splitLateField,
} from '../../../src/rating/month';

test.each([
  ['2026-12', '2027-01'],
  ['2028-02', '2028-03'],
  ['0099-12', '0100-01'],
])('after %s comes %s', (month, next) => {
  expect(nextMonth(month)).toBe(next);
  expect(previousMonth(next)).toBe(month);
});

test.each(['2026-00', '2026-13', '2026-1', '26-01', '2026-01-01', ' 2026-01', ''])(
  '"%s" is not a month',
  (text) => {
    expect(isMonth(text)).toBe(false);
    expect(() => nextMonth(text)).toThrow(RangeError);
  },
);

test('the month of a day, of a time and of a field is what they begin with', () => {
  expect(['2026-02-28', '2026-02-28T23:00:00Z', '2026-02-28/session.webrtc'].map(monthOf)).toEqual(
    Array(3).fill('2026-02'),
  );
});

test('a month has as many days as the calendar says', () => {
  expect(['2026-02', '2028-02', '2100-02', '2026-04', '2026-12'].map(daysIn)).toEqual([28, 29, 28, 30, 31]);
});

test('the field of late usage comes apart as it was put together, whatever its model is called', () => {
  const field = lateField('2026-06', 'inference.stt/a@b\n2026-07@c');
  expect(splitLateField(field)).toEqual({ month: '2026-06', key: 'inference.stt/a@b\n2026-07@c' });
  for (const own of ['session.webrtc', 'inference.stt/2026-06@x', '2026-06@', '2026-13@session.webrtc']) {
    expect(isLateField(own)).toBe(false);
    expect(splitLateField(own)).toBeUndefined();
  }
});
