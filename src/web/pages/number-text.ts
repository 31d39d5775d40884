import { Decimal } from '../../billing/pricing/decimal';
import { groupDigits, plural, unitPriceText } from '../../lib/text/number-text';
import { html, type Html } from './html';

/** Numbers, money and times for people. A shortened number has its exact value in `title`. */

const SYMBOLS: Readonly<Record<string, string>> = { USD: '$', EUR: '€', GBP: '£' };

/** `-1234.5`, USD -> `−$1,234.50`. */
export function money(amount: string, currency: string): string {
  const isNegative = amount.startsWith('-');
  const digits = groupDigits(isNegative ? amount.slice(1) : amount);
  return `${isNegative ? '−' : ''}${withSymbol(digits, currency)}`;
}

function withSymbol(digits: string, currency: string): string {
  const symbol = SYMBOLS[currency];
  return symbol === undefined ? `${digits} ${currency}` : `${symbol}${digits}`;
}

/**
 * `0.4`, `1000000`, `token` -> `$0.40 per 1M tokens`.
 *
 * @param total any amount of the invoice, which has the digits of the currency
 */
export function priceText(
  {
    unitPrice,
    per,
    unit,
  }: { readonly unitPrice: string | null; readonly per: string; readonly unit: string },
  { total, currency }: { readonly total: string; readonly currency: string },
): string {
  if (unitPrice === null) return NO_PRICE;
  const [price, of] = unitPriceText(unitPrice, per, unit, total).split(' / ');
  return `${withSymbol(price!, currency)} per ${of === '60 seconds' ? 'minute' : of}`;
}

/** Shown instead of a price or an amount that is not known. */
export const NO_PRICE = 'no price yet';

/**
 * A quantity with its unit, shortened from a million up: `1.25M tokens` with `1,250,000 tokens` in
 * the title.
 */
export function quantity(amount: string, unit: string, currency: string): Html {
  if (unit === currency) return html`${money(amount, currency)}`;
  const name = amount === '1' ? unit : plural(unit);
  const exact = `${groupDigits(amount)} ${name}`;
  const short = `${shortened(amount)} ${name}`;
  const more = unit === 'minute' ? hours(amount) : undefined;
  if (short === exact && more === undefined) return html`${exact}`;
  return html`<abbr title="${more === undefined ? exact : `${exact} (${more})`}">${short}</abbr>`;
}

/** The same without its unit, before another quantity that has it. */
export function amountAlone(amount: string, unit: string, currency: string): Html {
  if (unit === currency) return html`${money(amount, currency)}`;
  const [short, exact] = [shortened(amount), groupDigits(amount)];
  return short === exact ? html`${exact}` : html`<abbr title="${exact}">${short}</abbr>`;
}

export function shortened(amount: string): string {
  const value = new Decimal(amount);
  for (const [size, letter] of [
    ['1e12', 'T'],
    ['1e9', 'B'],
    ['1e6', 'M'],
  ] as const) {
    if (value.abs().gte(size))
      return `${value.div(size).toDecimalPlaces(2, Decimal.ROUND_DOWN).toFixed()}${letter}`;
  }
  return groupDigits(amount);
}

function hours(minutes: string): string | undefined {
  const value = new Decimal(minutes);
  return value.lt(120) ? undefined : `${groupDigits(value.div(60).toFixed(1))} hours`;
}

const MONTHS = [
  'January', 'February', 'March', 'April', 'May', 'June', 'July',
  'August', 'September', 'October', 'November', 'December',
]; // prettier-ignore

/** `2026-11` -> `November 2026`. */
export function monthName(month: string): string {
  return `${MONTHS[Number(month.slice(5)) - 1]} ${month.slice(0, 4)}`;
}

/** `2026-11-03` or a moment of that day in UTC -> `3 November 2026`. */
export function dateName(day: string): string {
  return `${dayName(day)} ${day.slice(0, 4)}`;
}

/** The period of a line: `2026-05` -> `May 2026`, `2026-05-01/2026-05-14` -> `1–14 May 2026`. */
export function periodName(period: string): string {
  const [from = '', to] = period.split('/');
  return to === undefined ? monthName(from) : `${Number(from.slice(8))}–${dateName(to)}`;
}

/** `2026-11-03` -> `3 November`. */
export function dayName(day: string): string {
  return `${Number(day.slice(8, 10))} ${MONTHS[Number(day.slice(5, 7)) - 1]}`;
}

/** A time to the second, in UTC. */
export function clock(ms: number): Html {
  const iso = new Date(ms).toISOString();
  return html`<time datetime="${iso}">${iso.slice(11, 19)} UTC</time>`;
}

/** 187 -> `18%`. It is never rounded up, so that 100% is all of it. */
export const percentText = (thousandths: number): string => `${groupDigits(Math.floor(thousandths / 10))}%`;

/** `part` in whole thousandths of `whole`, for a meter; above 1000 if it is more. */
export function permille(part: string, whole: string): number {
  const of = new Decimal(whole);
  if (of.isZero()) return new Decimal(part).isZero() ? 0 : 1000;
  return new Decimal(part).times(1000).div(of).floor().toNumber();
}

/** Whether a decimal string is not zero. */
export const hasQuantity = (decimal: string): boolean => /[1-9]/.test(decimal);
