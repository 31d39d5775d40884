import DecimalJs from 'decimal.js';

/**
 * The project's own decimal.js, which is safe from settings that other packages make. With 100
 * significant digits, every sum and product here is exact. Only a division by `per` or by days can
 * be cut, about 80 digits after the decimal point. With numbers this short, that cannot move a
 * quotient across half a cent.
 */
export const Decimal = DecimalJs.clone({ defaults: true, precision: 100, rounding: DecimalJs.ROUND_HALF_UP });
export type Decimal = DecimalJs;

export const zero = new Decimal(0);
export const one = new Decimal(1);

/**
 * Rounds half up to `digits` places. It is only for amounts of at least 0: differences are taken
 * between rounded amounts.
 */
export function roundMoney(amount: Decimal, digits: number): Decimal {
  return amount.toDecimalPlaces(digits, Decimal.ROUND_HALF_UP);
}

export function sum(amounts: Iterable<Decimal>): Decimal {
  let total = zero;
  for (const amount of amounts) total = total.plus(amount);
  return total;
}
