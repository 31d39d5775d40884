import { csvHeader, csvRows, type CsvColumn } from '../../billing/invoice/csv-writer';
import { BILLING_UNITS } from '../../rating/meter-table';
import { meterRow, splitMeterKey } from '../../rating/meters';
import type { UsageAnswer } from '../../../schemas/types';

interface Row {
  readonly project: string;
  readonly month: string;
  readonly day: string;
  readonly meter: string;
  readonly model?: string;
  readonly quantity: string;
}

const columns: readonly CsvColumn<Row>[] = [
  ['project', ({ project }) => project],
  ['month', ({ month }) => month, 'exact'],
  ['day', ({ day }) => day, 'exact'],
  ['meter', ({ meter }) => meter],
  ['model', ({ model }) => model ?? ''],
  ['quantity', ({ quantity }) => quantity, 'exact'],
  ['unit', ({ meter }) => unitOf(meter), 'exact'],
];

/** Empty for a meter that a later version has counted. */
function unitOf(meter: string): string {
  const row = meterRow(meter);
  return row === undefined ? '' : BILLING_UNITS[row.unit].base;
}

/**
 * The usage of a month by day as CSV, in base units. Late usage has its own, earlier day. The rows
 * of a meter add up to its total.
 */
export function usageCsv({
  project,
  month,
  daily,
}: Pick<UsageAnswer, 'project' | 'month' | 'daily'>): string {
  const rows = Object.entries(daily)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([day, totals]) =>
      Object.entries(totals).map(([key, quantity]): Row => ({
        project,
        month,
        day,
        ...splitMeterKey(key),
        quantity,
      })),
    );
  return csvHeader(columns) + csvRows(columns, rows);
}
