import fc from 'fast-check';
import { buildCatalog } from '../../../src/billing/catalog/build-catalog';
import { buildInvoice, type InvoiceOutcome } from '../../../src/billing/invoice/build-invoice';
import type { Catalog, CatalogDocument } from '../../../src/billing/catalog/catalog';
import { creditBalance } from '../../../src/billing/invoice/credits';
import type { Invoice } from '../../../src/billing/invoice/invoice';
import type { ProjectDocument } from '../../../src/billing/project/project';
import { catalogDocument, months, projectDocument, usages } from '../../kit/usage/arbitraries';
import { oracleInvoices } from '../../kit/usage/oracle';
import { cents, storedMonths, type DatedUsage } from '../../kit/usage/usages';

/**
 * Closes that are repeated, months whose price is known only later, and drafts that are completed
 * in any order.
 */

function catalogOf(document: CatalogDocument): Catalog {
  const answer = buildCatalog(document);
  if (!answer.ok) throw new Error(answer.problems.join('\n'));
  return answer.catalog;
}

/** The catalog before somebody added the prices of a model. */
function withoutModel({ inference, ...document }: CatalogDocument, model: string): CatalogDocument {
  const without = <T extends { readonly model: string }>(models: readonly T[]): T[] =>
    models.filter((row) => row.model !== model);
  const { stt, llm, tts } = inference;
  return {
    ...document,
    inference: {
      ...inference,
      stt: { ...stt, models: without(stt.models) },
      llm: { ...llm, models: without(llm.models) },
      tts: { ...tts, models: without(tts.models) },
    },
  };
}

/** What an installation holds of one project, and its close. */
class Books {
  readonly invoices: Invoice[] = [];
  readonly creditNotes: Invoice[] = [];

  constructor(
    private readonly project: ProjectDocument,
    private readonly used: readonly DatedUsage[],
  ) {}

  /**
   * One run of a month's close. @returns what became of it; undefined if its invoice was issued
   * before
   */
  close(month: string, catalog: Catalog): InvoiceOutcome | undefined {
    if (this.invoices.some((invoice) => invoice.month === month)) return undefined;
    const stored = storedMonths(this.used.filter(({ arrival }) => arrival <= month));
    const hasCreditNote = this.creditNotes.some((note) => note.month === month);
    const outcome = buildInvoice({
      ...this.project,
      ...(stored.get(month) ?? { totals: new Map(), daily: new Map() }),
      ...{ month, catalog, hasCreditNote, issued: [...this.invoices] },
      history: new Map([...stored].filter(([of]) => of < month)),
      number: `p-${this.invoices.length + 1}`,
      creditNoteNumber: `p-CN${this.creditNotes.length + 1}`,
      ...{ periodStart: '', periodEnd: '', issuedAt: '' },
    });
    if (outcome.status === 'issued') this.invoices.push(outcome.invoice);
    if (outcome.status !== 'draft' && outcome.creditNote !== undefined && !hasCreditNote) {
      this.creditNotes.push(outcome.creditNote);
    }
    return outcome;
  }

  get documents(): Invoice[] {
    return [...this.invoices, ...this.creditNotes];
  }

  /** All that is paid, less the credit that is still held. */
  paid(): bigint {
    const held = creditBalance(months.at(-1)!, this.project.credits ?? [], this.invoices);
    return this.documents.reduce((sum, { total }) => sum + cents(total), 0n) - cents(held.toFixed(2));
  }
}

/**
 * What an invoice charges, before the project's credits are set against it. A late correction can
 * bring the subtotal to 0 while a late credit line still leaves something due.
 */
function charged({ lines }: Invoice): bigint {
  const charges = lines.filter(({ kind, period }) => kind !== 'credit' || period !== undefined);
  return charges.reduce((sum, { amount }) => sum + cents(amount!), 0n);
}

const steps = fc.array(fc.tuple(fc.nat(months.length - 1), fc.boolean()), { maxLength: 8 });

test('however often closes are repeated and whenever a price becomes known, all documents come to the price of what was used', () => {
  let drafts = 0;
  let completedLate = 0;
  fc.assert(
    fc.property(
      catalogDocument(),
      projectDocument(),
      usages,
      steps,
      fc.shuffledSubarray([...months], { minLength: months.length }),
      (document, project, used, between, lastOrder) => {
        const [early, late] = [catalogOf(withoutModel(document, 'b')), catalogOf(document)];
        const books = new Books(project, used);
        let known = 0; // Closed so far.
        for (const [step, isKnown] of between) {
          known = Math.min(known + 1, months.length);
          // The next month, and an earlier one again.
          for (const month of [months[known - 1]!, months[step % known]!]) {
            const outcome = books.close(month, isKnown ? late : early);
            if (outcome?.status === 'draft') drafts += 1;
          }
        }
        const before = books.documents.length;
        for (const month of [...months, ...lastOrder]) books.close(month, late);
        if (before > 0 && books.documents.length > before) completedLate += 1;

        const inTime = used.map((usage) => ({ ...usage, arrival: usage.day.slice(0, 7) }));
        const expected = oracleInvoices(document, project, inTime, months);
        expect(books.paid()).toBe(
          expected.reduce((sum, { total, credited }) => sum + total + credited, 0n) -
            expected.at(-1)!.carried,
        );

        const numbers = books.documents.map(({ number }) => number);
        expect(new Set(numbers).size).toBe(numbers.length);
        for (const { lines } of books.documents) {
          expect(lines.filter(({ amount, unitPrice }) => amount === null || unitPrice === null)).toEqual([]);
        }
        // Nothing is due any more, so nothing more is issued, and no document is of nothing.
        const issued = JSON.stringify(books.documents);
        for (const month of [...lastOrder, ...months]) books.close(month, late);
        expect(JSON.stringify(books.documents)).toBe(issued);
        for (const invoice of books.invoices) expect(charged(invoice)).not.toBe(0n);
      },
    ),
    { numRuns: 400 },
  );
  expect(drafts).toBeGreaterThan(50);
  expect(completedLate).toBeGreaterThan(50);
});
