import { daysInMonth } from './instant';

/**
 * Arithmetic of months. A month is written `YYYY-MM` and a day `YYYY-MM-DD`, so that they sort by
 * time. The billing zone decides to which month a moment belongs: see `billing-calendar.ts`.
 */

export const MONTH_PATTERN = '^[0-9]{4}-(0[1-9]|1[0-2])$';
const pattern = new RegExp(MONTH_PATTERN);
const LENGTH = 'YYYY-MM'.length;

export const isMonth = (text: string): boolean => pattern.test(text);

/** The month of any text that begins with one, such as a day or a time in UTC. */
export const monthOf = (day: string): string => day.slice(0, LENGTH);

export const nextMonth = (month: string): string => monthAfter(month, 1);
export const previousMonth = (month: string): string => monthAfter(month, -1);

function monthAfter(month: string, months: number): string {
  const [year, number] = partsOf(month);
  const at = 12 * year + number - 1 + months;
  return `${String(Math.floor(at / 12)).padStart(4, '0')}-${String((at % 12) + 1).padStart(2, '0')}`;
}

/**
 * In milliseconds since the epoch.
 *
 * @throws RangeError if it is not a valid month
 */
export function startInUtc(month: string): number {
  checkMonth(month);
  return Date.parse(`${month}-01T00:00:00Z`);
}

/** @throws RangeError if it is not a valid month */
export function daysIn(month: string): number {
  return daysInMonth(...partsOf(month));
}

/** By arithmetic on the text, because a close asks for each project, and dates are slow. */
function partsOf(month: string): [year: number, month: number] {
  checkMonth(month);
  return [Number(month.slice(0, 4)), Number(month.slice(5))];
}

function checkMonth(month: string): void {
  if (!isMonth(month)) throw new RangeError(`"${month}" is not a valid month: expected YYYY-MM`);
}

/** The field of usage that arrived after its month was closed. */
export const lateField = (month: string, meterKey: string): string => `${month}@${meterKey}`;

/** Undefined for a field of the month's own usage. */
export function splitLateField(field: string): { month: string; key: string } | undefined {
  return isLateField(field) ? { month: monthOf(field), key: field.slice(LENGTH + 1) } : undefined;
}

export const isLateField = (field: string): boolean =>
  field[LENGTH] === '@' && field.length > LENGTH + 1 && isMonth(monthOf(field));
