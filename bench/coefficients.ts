import { COEFFICIENTS, type Coefficient } from '../src/ops/size/coefficients';
import type { Result } from './results';

export interface Check {
  readonly name: string;
  readonly table: number;
  readonly measured: number;
  readonly isOff: boolean;
  readonly text: string;
}

/**
 * Compares each coefficient of the sizing model with its row. What was not measured is left out.
 */
export function checkCoefficients(
  results: readonly Result[],
  coefficients: Readonly<Record<string, Coefficient>> = COEFFICIENTS,
): Check[] {
  return Object.entries(coefficients).flatMap(([name, { value, row, column, margin }]) => {
    const measured = results.find((result) =>
      Object.entries(row).every(([key, wanted]) => result[key] === wanted),
    )?.[column];
    if (typeof measured !== 'number') return [];
    const isOff = Math.abs(measured - value) > value * margin;
    const percent = Math.round((measured / value - 1) * 100);
    const text = `${isOff ? 'OFF ' : 'GOOD'}  ${name} ${value}, measured ${measured} (${percent > 0 ? '+' : ''}${percent} %, at most ${margin * 100} %)`;
    return [{ name, table: value, measured, isOff, text }];
  });
}
