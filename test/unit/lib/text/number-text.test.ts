import { groupDigits, unitPriceText } from '../../../../src/lib/text/number-text';

test.each([
  ['0', '0'],
  ['999', '999'],
  ['1000', '1,000'],
  ['1234567.50', '1,234,567.50'],
  ['-1234567.1234', '-1,234,567.1234'],
  ['9223372036854775807', '9,223,372,036,854,775,807'],
])('%s is written %s', (decimal, written) => {
  expect(groupDigits(decimal)).toBe(written);
});

test.each([
  ['50', '1', 'month', '50.00 / month'],
  ['0.0005', '1', 'minute', '0.0005 / minute'],
  ['0.4', '1000000', 'token', '0.40 / 1M tokens'],
  ['0.0058', '60', 'second', '0.0058 / 60 seconds'],
  ['1234.5', '1000', 'event', '1,234.50 / 1k events'],
  ['0.12', '1', 'GB', '0.12 / GB'],
])('%s per %s of a %s is written %s', (price, per, unit, written) => {
  expect(unitPriceText(price, per, unit, '1.00')).toBe(written);
});
