import { buildInvoice, type InvoiceInput, type InvoiceOutcome } from './build-invoice';
import { inForce } from '../catalog/catalog';
import { periodOfMonth } from '../pricing/days';
import { isLateField } from '../../rating/month';

export interface PlanComparison {
  readonly plan: string;
  readonly name: string;
  readonly outcome: InvoiceOutcome;
}

/**
 * What the month's own usage would cost on each plan of the catalog, if the plan had been in force
 * for the whole month, without agreements. Late usage of earlier months and correction credits are
 * left out.
 */
export function comparePlans(input: InvoiceInput): PlanComparison[] {
  const own = ownUsageOf(input);
  const { from, to } = periodOfMonth(input.month);
  return [...input.catalog.plans].flatMap(([plan, rows]) => {
    const row = inForce(rows, to);
    if (row === undefined || inForce(rows, from) === undefined) return [];
    const outcome = buildInvoice({ ...own, plans: [{ plan, from }] });
    return [{ plan, name: row.name, outcome }];
  });
}

/** The month without late usage of earlier months and correction credits. */
export function ownUsageOf(input: InvoiceInput): InvoiceInput {
  const totals = new Map([...input.totals].filter(([field]) => !isLateField(field)));
  const daily = new Map([...(input.daily ?? [])].filter(([field]) => field.startsWith(`${input.month}-`)));
  return { ...input, credits: [], issued: [], number: null, totals, daily };
}
