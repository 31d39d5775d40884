import { parseCopy } from '../../lib/document';
import type { Catalog } from '../../billing/catalog/catalog';
import { buildInvoice } from '../../billing/invoice/build-invoice';
import { creditNoteEntry } from '../../billing/invoice/invoice-id';
import { readInvoiceInput } from '../../close/invoice-inputs';
import { readCloses } from '../../redis/views/closes';
import { readInvoices } from '../../redis/views/invoices';
import { readProject } from '../../redis/views/projects';
import { readWhole } from '../../redis/rebuilding';
import type { WebDependencies } from '../http/dependencies';
import type { MonthStatus, MonthView } from './month-view';
import { monthOf } from '../../rating/month';

/** The statement of a project's month. A credit note has a statement of its own. */
export interface Statement {
  readonly month: string;
  /** `closing`: the month is over, and its invoice is not issued yet. */
  readonly status: MonthStatus | 'closing' | 'credit_note';
  readonly total: string;
  readonly currency: string;
}

interface MonthBeingRead {
  readonly month: string;
  readonly view: Promise<MonthView>;
}

const STATEMENTS_SHOWN = 12;

/**
 * The project's last months, newest first: those since it has a plan, and those with usage. At most
 * twelve or thirteen statements.
 *
 * @param before only months before this one
 * @param read a month that is read already, or is being read
 * @returns the statements, and the month to continue from if there are more
 */
export function readStatements(
  web: WebDependencies,
  project: string,
  before?: string,
  read?: MonthBeingRead,
): Promise<{ statements: Statement[]; next: string | undefined }> {
  return readWhole(web.store, () => readStatementsOf(web, project, before, read));
}

async function readStatementsOf(
  web: WebDependencies,
  project: string,
  before: string | undefined,
  read: MonthBeingRead | undefined,
): Promise<{ statements: Statement[]; next: string | undefined }> {
  const { store, calendar, catalog, nowMs } = web;
  const [invoices, closes, document] = await Promise.all([
    readInvoices(store, project),
    readCloses(store),
    readProject(store, project),
  ]);
  const current = calendar.monthOfMs(nowMs());
  const planned = document?.plans.map(({ from }) => monthOf(from)) ?? [];
  // A project without a plan begins with the first month that was closed here. Before that, nothing
  // was billed.
  const first = [...planned, ...invoices.keys(), ...closes.keys(), current]
    .map((entry) => entry.slice(0, 'YYYY-MM'.length))
    .sort()[0]!;
  const statements: Statement[] = [];
  let month = before === undefined ? current : calendar.previousMonth(before);
  for (; month >= first && statements.length < STATEMENTS_SHOWN; month = calendar.previousMonth(month)) {
    const creditNote = invoices.get(creditNoteEntry(month));
    if (creditNote !== undefined) {
      const { total, currency } = parseCopy('invoice.v1.json', creditNote, 'a credit note');
      statements.push({ month, status: 'credit_note', total, currency });
    }
    const issued = invoices.get(month);
    if (issued !== undefined) {
      const { total, currency } = parseCopy('invoice.v1.json', issued, 'an invoice');
      statements.push({ month, status: 'issued', total, currency });
      continue;
    }
    if (month < catalogStart(catalog)) break;
    const terms = { store, calendar, catalog, month, issuedAt: new Date(nowMs()).toISOString() };
    const view = month === read?.month ? await read.view : undefined;
    const input = view?.input ?? (await readInvoiceInput(terms, project, null));
    if (input.totals.size === 0 && !planned.some((from) => from <= month) && month !== current) continue;
    const { status, invoice } = view ?? buildInvoice(input);
    const { total, currency } = invoice;
    const isSettled = closes.has(month) && (status === 'draft' || status === 'nothing_due');
    const unsettled = month < current ? 'closing' : 'open';
    statements.push({ month, status: isSettled ? status : unsettled, total, currency });
  }
  return {
    statements,
    next: month >= first && month >= catalogStart(catalog) ? calendar.nextMonth(month) : undefined,
  };
}

/** The first month that can be billed: nothing has a price before the default plan begins. */
export function catalogStart(catalog: Catalog): string {
  return monthOf(catalog.plans.get(catalog.defaultPlan)![0]!.from);
}
