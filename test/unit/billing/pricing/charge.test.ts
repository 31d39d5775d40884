import type { PriceDocument } from '../../../../src/billing/catalog/catalog';
import { chargesFor } from '../../../../src/billing/pricing/charge';
import { Decimal } from '../../../../src/billing/pricing/decimal';
import { unitPriceOf } from '../../../../src/billing/pricing/unit-price';

/** Charges in units of one, as `billable * unitPrice / per = amount`. */
function charges(price: PriceDocument, used: number | string, per = '1'): string[] {
  const answer = chargesFor(unitPriceOf(price, per), new Decimal(used), new Decimal(1), 2);
  return answer.map((charge) =>
    [charge.billable, charge.unitPrice, charge.per, charge.amount].map((part) => part.toFixed()).join(' '),
  );
}

test('a flat price rounds once, half up', () => {
  expect(charges('0.005', 1)).toEqual(['1 0.005 1 0.01']);
  expect(charges('0.0049999', 1)).toEqual(['1 0.0049999 1 0']);
  expect(charges('0.005', 3)).toEqual(['3 0.005 1 0.02']);
});

test('a price for many units is divided only at the end', () => {
  // 1/3 of a cent a unit, times 150: any rounding on the way loses the half cent.
  expect(charges('0.01', 150, '3')).toEqual(['150 0.01 3 0.5']);
  expect(charges('0.01', 1_500_000, '1000000')).toEqual(['1500000 0.01 1000000 0.02']);
});

test('quantities beyond 2^53 stay exact', () => {
  expect(charges('0.01', '9223372036854775807')).toEqual(['9223372036854775807 0.01 1 92233720368547758.07']);
});

const tiers = [{ upTo: '10', amount: '1' }, { upTo: '20', amount: '0.5' }, { amount: '0.1' }];

test.each([
  [0, ['0 1 1 0']],
  [10, ['10 1 1 10']],
  [11, ['10 1 1 10', '1 0.5 1 0.5']],
  [20, ['10 1 1 10', '10 0.5 1 5']],
  [25, ['10 1 1 10', '10 0.5 1 5', '5 0.1 1 0.5']],
])('graduated tiers each price their own part: %d', (used, expected) => {
  expect(charges({ graduated: tiers }, used)).toEqual(expected);
});

test.each([
  [0, '0 1 1 0'],
  [10, '10 1 1 10'],
  [11, '11 0.5 1 5.5'],
  [21, '21 0.1 1 2.1'],
])('a volume tier prices all: %d', (used, expected) => {
  expect(charges({ volume: tiers }, used)).toEqual([expected]);
});

test.each([
  [0, '0 2 100 0'],
  [1, '100 2 100 2'],
  [100, '100 2 100 2'],
  [101, '200 2 100 4'],
])('a package begun is a package charged: %d', (used, expected) => {
  expect(charges({ package: '100', amount: '2' }, used)).toEqual([expected]);
});

test('tiers and packages count billing units, quantities base units', () => {
  const minute = new Decimal(60);
  const amountOf = (price: PriceDocument, seconds: number): string[] =>
    chargesFor(unitPriceOf(price), new Decimal(seconds), minute, 2).map(({ amount }) => amount.toFixed());
  expect(amountOf({ graduated: tiers }, 660)).toEqual(['10', '0.5']);
  expect(amountOf({ volume: tiers }, 601)).toEqual(['5.01']);
  expect(amountOf({ package: '10', amount: '3' }, 601)).toEqual(['6']);
});
