import type { Difference } from './difference';

interface Numbered {
  readonly id: string;
  readonly project: string;
  readonly month: string;
  readonly number: string | null;
  readonly issuedAt: string;
}

/**
 * Checks the numbers of issued documents. Each project has one series of invoices and one of credit
 * notes. Each series counts from 1 without a gap or a repetition, and a higher number never has an
 * earlier date.
 */
export class InvoiceNumbers {
  private readonly documents = new Map<string, Numbered>();

  /** @param invoice null for a document that was withdrawn */
  set(key: string, invoice: Numbered | null): void {
    this.documents.delete(key);
    if (invoice === null) return;
    const { id, project, month, number, issuedAt } = invoice;
    this.documents.set(key, { id, project, month, number, issuedAt });
  }

  *differences(): Generator<Difference> {
    const series = new Map<string, Numbered[]>();
    for (const document of this.documents.values()) {
      const name = document.project + (document.id.endsWith('-CN') ? '-CN' : '-');
      const known = series.get(name);
      if (known === undefined) series.set(name, [document]);
      else known.push(document);
    }
    for (const [name, documents] of series) yield* differencesIn(name, documents);
  }
}

function* differencesIn(name: string, documents: readonly Numbered[]): Generator<Difference> {
  const counted: (Numbered & { readonly count: number })[] = [];
  for (const document of documents) {
    const { number } = document;
    const digits = number?.startsWith(name) ? number.slice(name.length) : '';
    if (/^\d{4,}$/.test(digits)) counted.push({ ...document, count: Number(digits) });
    else yield difference(document, 'number', `${name}0001 or higher`, number);
  }
  counted.sort((a, b) => a.count - b.count);
  for (const [i, document] of counted.entries()) {
    const before = counted[i - 1];
    const expected = (before?.count ?? 0) + 1;
    const text = `${name}${String(expected).padStart(4, '0')}`;
    if (document.count === before?.count)
      yield difference(document, 'number', `${text}, since ${before.id} has it`, document.number);
    else if (document.count !== expected) yield difference(document, 'number', text, document.number);
    if (before !== undefined && document.issuedAt < before.issuedAt)
      yield difference(document, 'issuedAt', `${before.issuedAt} or later`, document.issuedAt);
  }
}

function difference(
  { project, month }: Numbered,
  field: string,
  expected: string,
  found: string | null,
): Difference {
  return { kind: 'number', project, month, field, expected, found };
}
