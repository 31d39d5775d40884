import type { InvoiceLine } from '../billing/invoice/invoice';
import { METER_GROUPS } from '../rating/meter-table';
import { meterRow } from '../rating/meters';

/** Lines under one heading, in the invoice's order. */
export interface LineGroup {
  readonly title: string;
  readonly lines: readonly InvoiceLine[];
}

const titles = {
  plan: 'Plan',
  usage: 'Other usage',
  late: 'Late usage of earlier months',
  credit: 'Credits',
  tax: 'Tax',
};
const pageOrder: readonly string[] = [
  titles.plan,
  ...METER_GROUPS,
  titles.usage,
  titles.late,
  titles.credit,
  titles.tax,
];

/** Groups an invoice's lines by heading. Every line is in exactly one group. */
export function lineGroups(lines: readonly InvoiceLine[]): LineGroup[] {
  return pageOrder
    .map((title) => ({ title, lines: lines.filter((line) => titleOf(line) === title) }))
    .filter((group) => group.lines.length > 0);
}

function titleOf({ kind, meter = '' }: InvoiceLine): string {
  return (kind === 'usage' ? meterRow(meter)?.group : undefined) ?? titles[kind];
}
