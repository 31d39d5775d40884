import { BILLING_UNITS } from '../../rating/meter-table';
import { meterNames, meterRow, splitMeterKey } from '../../rating/meters';
import { Decimal } from './decimal';

/** The unit of prices and invoice lines. `size` is the number of base units in one of them. */
export interface BillingUnit {
  readonly name: string;
  readonly size: Decimal;
}

const units = new Map(
  Object.entries(BILLING_UNITS).map(([name, { size }]) => [name, { name, size: new Decimal(size) }]),
);
export const second: BillingUnit = units.get('second')!;
const unknownUnit: BillingUnit = { name: 'unit', size: new Decimal(1) };

/** The number of base units in a billing unit, by the unit's name on invoice lines. */
export const unitSize = (name: string): bigint => BigInt((units.get(name) ?? unknownUnit).size.toFixed());

/** An unknown meter counts in base units. It has no price, and its line shows that. */
export function unitOf(meter: string): BillingUnit {
  return units.get(meterRow(meter)?.unit ?? '') ?? unknownUnit;
}

export function labelOf(meter: string, model?: string): string {
  const label = meterRow(meter)?.label ?? meter;
  return model === undefined ? label : `${label}, ${model}`;
}

/**
 * Sorts meter keys like the usage lines of an invoice: by the table of meters, then by model in
 * code units.
 */
export function inInvoiceOrder(keys: Iterable<string>): string[] {
  const placed = Array.from(keys, (key) => ({
    key,
    place: placeOf.get(splitMeterKey(key).meter) ?? Infinity,
  }));
  placed.sort((a, b) => (a.place === b.place ? (a.key < b.key ? -1 : 1) : a.place - b.place));
  return placed.map(({ key }) => key);
}

const placeOf = new Map<string, number>(meterNames.map((meter, place) => [meter, place]));
