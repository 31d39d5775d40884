import { BILLING_UNITS } from '../../rating/meter-table';
import { meterNames, meterRow, splitMeterKey } from '../../rating/meters';
import { Decimal } from './decimal';

/**
 * What a price and an invoice line count in. `size` is the number of base units (as totals hold
 * them) in one.
 */
export interface BillingUnit {
  readonly name: string;
  readonly size: Decimal;
}

const units = new Map(
  Object.entries(BILLING_UNITS).map(([name, { size }]) => [name, { name, size: new Decimal(size) }]),
);
export const second: BillingUnit = units.get('second')!;
const unknownUnit: BillingUnit = { name: 'unit', size: new Decimal(1) };

/** The base units in a billing unit, by the name that an invoice line has. */
export const unitSize = (name: string): bigint => BigInt((units.get(name) ?? unknownUnit).size.toFixed());

/**
 * The unit of a meter. An unknown meter is counted in base units: it has no price, and its line
 * says so.
 */
export function unitOf(meter: string): BillingUnit {
  return units.get(meterRow(meter)?.unit ?? '') ?? unknownUnit;
}

export function labelOf(meter: string, model?: string): string {
  const label = meterRow(meter)?.label ?? meter;
  return model === undefined ? label : `${label}, ${model}`;
}

/**
 * Meter keys in the order of an invoice's usage lines: by the table of meters, then by model, code
 * unit by code unit.
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
