import { buildInvoice, type InvoiceOutcome } from '../../../src/billing/invoice/build-invoice';
import type { Catalog } from '../../../src/billing/catalog/catalog';
import type { Invoice } from '../../../src/billing/invoice/invoice';
import type { StoredMonth } from '../../../src/billing/pricing/month-usage';
import type { ProjectDocument } from '../../../src/billing/project/project';

/**
 * A rated usage: its day, and the month whose totals took it in (its own, or a later one if it came
 * late).
 */
export interface DatedUsage {
  readonly day: string;
  readonly key: string;
  /** Base units. */
  readonly quantity: bigint;
  readonly arrival: string;
}

/**
 * What the store holds after these usages: late ones in the month of their arrival, under the month
 * of their own.
 */
export function storedMonths(usages: readonly DatedUsage[]): Map<string, StoredMonth> {
  const months = new Map<string, { totals: Map<string, bigint>; daily: Map<string, bigint> }>();
  for (const { day, key, quantity, arrival } of usages) {
    const month = months.get(arrival) ?? { totals: new Map(), daily: new Map() };
    months.set(arrival, month);
    const origin = day.slice(0, 7);
    const field = origin === arrival ? key : `${origin}@${key}`;
    month.totals.set(field, (month.totals.get(field) ?? 0n) + quantity);
    month.daily.set(`${day}/${key}`, (month.daily.get(`${day}/${key}`) ?? 0n) + quantity);
  }
  for (const { totals, daily } of months.values()) dropZeros(totals, daily);
  return months;
}

/** As the scripts do: a zero is never stored. */
function dropZeros(...hashes: Map<string, bigint>[]): void {
  for (const hash of hashes) {
    for (const [field, quantity] of hash) if (quantity === 0n) hash.delete(field);
  }
}

/** Closes month after month, each with what the store holds and the invoices issued before. */
export function closeMonths(
  catalog: Catalog,
  project: ProjectDocument,
  usages: readonly DatedUsage[],
  months: readonly string[],
): InvoiceOutcome[] {
  const stored = storedMonths(usages);
  const issued: Invoice[] = [];
  return months.map((month, index) => {
    const outcome = buildInvoice({
      ...project,
      ...(stored.get(month) ?? { totals: new Map() }),
      issued: [...issued],
      month,
      periodStart: `${month}-01T00:00:00.000Z`,
      periodEnd: `${month}-28T00:00:00.000Z`,
      history: stored,
      catalog,
      number: String(index + 1),
      creditNoteNumber: `CN${index + 1}`,
      issuedAt: '2026-12-01T00:00:00.000Z',
    });
    if (outcome.status === 'issued') issued.push(outcome.invoice);
    return outcome;
  });
}

/** `12.34` -> 1234n */
export function cents(amount: string): bigint {
  return BigInt(amount.replace('.', ''));
}
