import DecimalJs from 'decimal.js';

/**
 * The project's own decimal.js, so that nobody else's settings reach our money. With 100
 * significant digits every sum and product here is exact; only a division by `per` or by days can
 * be cut, some 80 digits behind the point, where it can no longer move a quotient of such short
 * numbers across a half cent.
 */
export const Decimal = DecimalJs.clone({ defaults: true, precision: 100, rounding: DecimalJs.ROUND_HALF_UP });
export type Decimal = DecimalJs;

export const zero = new Decimal(0);
export const one = new Decimal(1);

/**
 * Half up to `digits` places. Only for amounts of 0 and more: differences are taken between rounded
 * amounts.
 */
export function roundMoney(amount: Decimal, digits: number): Decimal {
  return amount.toDecimalPlaces(digits, Decimal.ROUND_HALF_UP);
}

export function sum(amounts: Iterable<Decimal>): Decimal {
  let total = zero;
  for (const amount of amounts) total = total.plus(amount);
  return total;
}
