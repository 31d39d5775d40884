import { parseCopy } from '../../lib/document';
import { buildInvoice } from '../../billing/invoice/build-invoice';
import type { Invoice, InvoiceLine } from '../../billing/invoice/invoice';
import { creditNoteEntry } from '../../billing/invoice/invoice-id';
import type { StoredMonth } from '../../billing/pricing/month-usage';
import { readInvoiceInput, type InvoiceTerms } from '../../close/invoice-inputs';
import { projectsToBill } from '../../close/issue-invoices';
import { invoicedProjects, readInvoice } from '../../redis/views/invoices';
import type { Difference } from './difference';
import { monthOf } from '../../rating/month';

/**
 * How far the recount differs from Redis: month -> project -> field -> the difference, over all
 * shards.
 */
export type Corrections = ReadonlyMap<string, ReadonlyMap<string, FieldCorrections>>;

export interface FieldCorrections {
  readonly totals: Map<string, bigint>;
  readonly daily: Map<string, bigint>;
}

export interface Judged {
  /**
   * Whether the month's close has ended. Until then, an invoice that is due may not be issued yet.
   */
  readonly isComplete: boolean;
  readonly onDifference: (difference: Difference) => void;
}

/**
 * Prices a closed month again, and compares the result with the issued invoices. A closed month
 * does not change in Redis, and has been compared with the recount field by field. So the recount
 * of a project is what Redis holds, corrected by the fields that differ.
 *
 * @returns how many issued invoices and credit notes were compared
 */
export async function compareInvoices(
  terms: InvoiceTerms,
  corrections: Corrections,
  judged: Judged,
): Promise<number> {
  const { store, month } = terms;
  let compared = 0;
  const billed = new Set<string>();
  for await (const project of projectsToBill(store, month)) {
    billed.add(project);
    compared += await compareProject(terms, project, corrections, judged);
  }
  for await (const project of invoicedProjects(store, month)) {
    if (billed.has(project)) continue;
    compared += await compareProject(terms, project, corrections, judged);
  }
  return compared;
}

async function compareProject(
  terms: InvoiceTerms,
  project: string,
  corrections: Corrections,
  { isComplete, onDifference }: Judged,
): Promise<number> {
  const { store, month } = terms;
  const at = { kind: 'invoice', month, project } as const;
  const [invoice, creditNote] = await Promise.all(
    [month, creditNoteEntry(month)].map(async (entry) => parsed(await readInvoice(store, project, entry))),
  );
  const issued = [invoice, creditNote].filter((one) => one !== undefined);
  const input = await readInvoiceInput(terms, project, null);
  const corrected = {
    ...input,
    ...correct(input, corrections.get(month)?.get(project)),
    hasCreditNote: false, // Whether the project should have an invoice is decided here.
    history: new Map(
      [...(input.history ?? [])].map(([of, stored]) => [
        of,
        correct(stored, corrections.get(of)?.get(project)),
      ]),
    ),
  };
  for (const late of lateMonthsByDay(month, corrected.daily)) {
    if (!corrected.history.has(late))
      onDifference({ ...at, field: `late usage of ${late}`, expected: 'priced', found: null });
  }
  const outcome = buildInvoice(corrected);
  // A missing price is not a difference. A project that cannot be priced at all is one, e.g. if its
  // days do not add up.
  const unpriceable = outcome.problems.find(({ code }) => code !== 'NO_PRICE');
  if (unpriceable !== undefined) {
    const found = issued.map(({ total }) => total).join(', ');
    onDifference({ ...at, field: 'price', expected: unpriceable.detail, found: found || null });
    return issued.length;
  }
  const { status, invoice: repriced, creditNote: repricedNote } = outcome;
  // A later close issues a draft, and a project without an amount due needs no invoice.
  for (const difference of differencesOf(repriced, invoice, isComplete && status === 'issued'))
    onDifference({ ...at, ...difference });
  for (const difference of differencesOf(repricedNote, creditNote, isComplete && status !== 'draft'))
    onDifference({ ...at, ...difference, field: `credit note, ${difference.field}` });
  return issued.length;
}

/**
 * Decides by the days alone, in code of its own: late usage that adds up to nothing still has to be
 * priced.
 */
function lateMonthsByDay(month: string, daily: ReadonlyMap<string, bigint> = new Map()): Set<string> {
  const months = new Set<string>();
  for (const field of daily.keys()) if (monthOf(field) < month) months.add(monthOf(field));
  return months;
}

/** Text that is not an invoice differs from the ledger, and is reported as such a difference. */
function parsed(json: string | undefined): Invoice | undefined {
  try {
    return json === undefined ? undefined : parseCopy('invoice.v1.json', json, 'an invoice');
  } catch {
    return undefined;
  }
}

function correct(stored: StoredMonth, corrections: FieldCorrections | undefined): StoredMonth {
  if (corrections === undefined) return stored;
  return {
    totals: added(stored.totals, corrections.totals),
    daily: added(stored.daily ?? new Map(), corrections.daily),
  };
}

function added(
  sums: ReadonlyMap<string, bigint>,
  corrections: ReadonlyMap<string, bigint>,
): Map<string, bigint> {
  const result = new Map(sums);
  for (const [field, change] of corrections) {
    const sum = (result.get(field) ?? 0n) + change;
    if (sum === 0n) result.delete(field);
    else result.set(field, sum);
  }
  return result;
}

/** @param isDue whether the recount's invoice should have been issued */
function* differencesOf(
  repriced: Invoice | undefined,
  issued: Invoice | undefined,
  isDue: boolean,
): Generator<Pick<Difference, 'expected' | 'found'> & { readonly field: string }> {
  if (repriced === undefined || issued === undefined) {
    if (issued !== undefined) yield { field: 'total', expected: null, found: `${issued.total} issued` };
    else if (repriced !== undefined && isDue)
      yield { field: 'total', expected: `${repriced.total} issued`, found: null };
    return;
  }
  for (const field of ['plan', 'currency', 'subtotal', 'credits', 'tax', 'total'] as const) {
    if (repriced[field] !== issued[field])
      yield { field, expected: repriced[field], found: issued[field] ?? null };
  }
  const expected = linesByName(repriced.lines);
  const found = linesByName(issued.lines);
  for (const name of new Set([...expected.keys(), ...found.keys()])) {
    const [one = null, other = null] = [expected.get(name), found.get(name)];
    if (one !== other) yield { field: name, expected: one, found: other };
  }
}

/**
 * A line's name -> what it charges. Lines of one name (a price that changed within the month) are
 * joined.
 */
function linesByName(lines: readonly InvoiceLine[]): Map<string, string> {
  const byName = new Map<string, string>();
  for (const line of lines) {
    const { kind, meter, model, period, quantity, billable, unitPrice, per, amount } = line;
    const meterName = meter === undefined ? '' : ` ${meter}${model === undefined ? '' : `/${model}`}`;
    const name = `line ${kind}${meterName}${period === undefined ? '' : ` (${period})`}`;
    const charge = `${quantity} used, ${billable} at ${unitPrice ?? 'no price'} per ${per} = ${amount ?? 'no amount'}`;
    const before = byName.get(name);
    byName.set(name, before === undefined ? charge : `${before}; ${charge}`);
  }
  return byName;
}
