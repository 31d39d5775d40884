/** Formats numbers for people. It only moves digits, so no decimal string becomes a float. */

/** Groups of three digits: `1234567.50` -> `1,234,567.50`. */
export function groupDigits(number: string | number): string {
  const [whole = '', fraction] = String(number).split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}

/**
 * A unit price with at least the decimals of its currency, and what it is for: `0.4`, `1000000`,
 * `token` -> `0.40 / 1M tokens`.
 *
 * @param money any amount of the invoice, which has the digits of the currency
 */
export function unitPriceText(unitPrice: string, per: string, unit: string, money: string): string {
  const [whole = '0', fraction = ''] = unitPrice.split('.');
  const decimals = fraction.padEnd(money.split('.')[1]?.length ?? 0, '0');
  const price = decimals === '' ? groupDigits(whole) : `${groupDigits(whole)}.${decimals}`;
  return per === '1' ? `${price} / ${unit}` : `${price} / ${shownCount(per)} ${plural(unit)}`;
}

/** `1000000` -> `1M`, `1000` -> `1k`; other numbers in groups of three digits. */
function shownCount(count: string): string {
  if (/^\d+000000$/.test(count)) return `${groupDigits(count.slice(0, -6))}M`;
  if (/^\d+000$/.test(count)) return `${groupDigits(count.slice(0, -3))}k`;
  return groupDigits(count);
}

/** `minute` -> `minutes`; GB and currencies stay as they are. */
export function plural(unit: string): string {
  return /^[a-z]+$/.test(unit) ? `${unit}s` : unit;
}
