import fc from 'fast-check';
import { buildCatalog } from '../../../../src/billing/catalog/build-catalog';
import { buildInvoice, type InvoiceOutcome } from '../../../../src/billing/invoice/build-invoice';
import { creditBalance } from '../../../../src/billing/invoice/credits';
import type { Catalog, CatalogDocument } from '../../../../src/billing/catalog/catalog';
import { needsDays } from '../../../../src/billing/pricing/prices-by-day';
import { lateMonthsIn, usageOfMonth, type StoredMonth } from '../../../../src/billing/pricing/month-usage';
import type { ProjectDocument } from '../../../../src/billing/project/project';
import { projectProblems } from '../../../../src/billing/project/project-problems';
import { compileSchema } from '../../../../src/lib/schema';
import { catalogDocument, months, projectDocument, usages } from '../../../kit/usage/arbitraries';
import { oracleInvoices } from '../../../kit/usage/oracle';
import { cents, closeMonths, storedMonths, type DatedUsage } from '../../../kit/usage/usages';

function catalogOf(document: CatalogDocument): Catalog {
  const answer = buildCatalog(document);
  if (!answer.ok) throw new Error(answer.problems.join('\n'));
  return answer.catalog;
}

const sumOf = (amounts: bigint[]): bigint => amounts.reduce((a, b) => a + b, 0n);

/**
 * All a project pays over the months, less what credit notes gave back and the credit it still
 * holds.
 */
function paid({ credits = [] }: ProjectDocument, outcomes: readonly InvoiceOutcome[]): bigint {
  const issued = outcomes.filter(({ status }) => status === 'issued').map(({ invoice }) => invoice);
  const open = cents(creditBalance(months.at(-1)!, credits, issued).toFixed(2));
  return sumOf(outcomes.map(({ invoice }) => cents(invoice.total))) + sumOf(outcomes.map(creditedBy)) - open;
}

/** What a month's credit note comes to, below 0. */
const creditedBy = ({ creditNote }: InvoiceOutcome): bigint =>
  creditNote === undefined ? 0n : cents(creditNote.total);

test('the random documents are good ones', () => {
  const isCatalog = compileSchema('catalog.v1.json');
  const isProject = compileSchema('project.v1.json');
  fc.assert(
    fc.property(catalogDocument(), projectDocument(), (document, project) => {
      expect([isCatalog(document), isProject(project)]).toEqual([true, true]);
      expect(projectProblems(project, catalogOf(document))).toEqual([]);
    }),
    { numRuns: 50 },
  );
});

/**
 * More of them: `TALLYMAN_ORACLE_RUNS=20000 npx jest -c test/jest.config.js
 * test/billing/build-invoice.property`.
 */
const ORACLE_RUNS = Number(process.env['TALLYMAN_ORACLE_RUNS'] ?? 1_000);

test('every invoice and credit note of a thousand random projects and catalogs agrees with the oracle to the cent', () => {
  let creditNotes = 0;
  fc.assert(
    fc.property(catalogDocument(), projectDocument(), usages, (document, project, used) => {
      const outcomes = closeMonths(catalogOf(document), project, used, months);
      const expected = oracleInvoices(document, project, used, months);
      expect(
        outcomes.map(({ invoice, creditNote }, i) => ({
          total: cents(invoice.total),
          tax: cents(invoice.tax) + cents(creditNote?.tax ?? '0'),
          credited: creditedBy(outcomes[i]!),
        })),
      ).toEqual(expected.map(({ total, tax, credited }) => ({ total, tax, credited })));
      expect(paid(project, outcomes)).toBe(
        sumOf(expected.map(({ total, credited }) => total + credited)) - expected.at(-1)!.carried,
      );
      creditNotes += outcomes.filter(({ creditNote }) => creditNote !== undefined).length;
    }),
    { numRuns: ORACLE_RUNS },
  );
  expect(creditNotes).toBeGreaterThan(ORACLE_RUNS / 20);
});

test('what a project pays in all does not depend on when its usage arrives', () => {
  fc.assert(
    fc.property(catalogDocument(), projectDocument(), usages, (document, project, used) => {
      const catalog = catalogOf(document);
      const inTime = used.map((usage) => ({ ...usage, arrival: usage.day.slice(0, 7) }));
      const asLateAsCanBe = used.map((usage) => ({ ...usage, arrival: months.at(-1)! }));
      const pays = (arrivals: DatedUsage[]): bigint =>
        paid(project, closeMonths(catalog, project, arrivals, months));
      expect(pays(used)).toBe(pays(inTime));
      expect(pays(asLateAsCanBe)).toBe(pays(inTime));
    }),
    { numRuns: 150 },
  );
});

test('a document adds up, explains its amounts and fits its schema; an invoice is never below 0, a credit note always', () => {
  const isInvoice = compileSchema('invoice.v1.json');
  fc.assert(
    fc.property(catalogDocument(), projectDocument(), usages, (document, project, used) => {
      const outcomes = closeMonths(catalogOf(document), project, used, months);
      for (const { invoice, creditNote, status } of outcomes) {
        expect(cents(invoice.total) >= 0n).toBe(true);
        expect(invoice.number === null).toBe(status === 'nothing_due');
        if (creditNote === undefined) continue;
        expect(cents(creditNote.total) < 0n).toBe(true);
        expect(creditNote.number).not.toBeNull();
        expect(creditNote.corrects).not.toEqual([]);
      }
      for (const invoice of outcomes.flatMap((outcome) =>
        [outcome.invoice, outcome.creditNote ?? []].flat(),
      )) {
        expect(isInvoice(invoice)).toBe(true);
        const { lines } = invoice;
        const sumOfKinds = (...kinds: string[]): bigint =>
          sumOf(lines.filter(({ kind }) => kinds.includes(kind)).map(({ amount }) => cents(amount!)));
        expect(cents(invoice.subtotal)).toBe(sumOfKinds('plan', 'usage', 'late'));
        expect(cents(invoice.credits)).toBe(sumOfKinds('credit'));
        expect(cents(invoice.tax)).toBe(sumOfKinds('tax'));
        expect(cents(invoice.total)).toBe(sumOfKinds('plan', 'usage', 'late', 'credit', 'tax'));
        for (const line of lines) {
          if (line.kind === 'late' || line.period?.length === 7) continue; // Differences of two such amounts.
          expect(product(line.billable, line.unitPrice!, line.per)).toBe(cents(line.amount!));
        }
      }
    }),
    { numRuns: 100 },
  );
});

/** `billable * unitPrice / per` in cents, half away from zero, by integers alone. */
function product(billable: string, unitPrice: string, per: string): bigint {
  const scaled = (text: string): bigint => {
    const [whole, places = ''] = text.replace('-', '').split('.') as [string, string?];
    return BigInt(whole + places.padEnd(15, '0')) * (text.startsWith('-') ? -1n : 1n);
  };
  const numerator = scaled(billable) * scaled(unitPrice) * 100n;
  const denominator = scaled(per) * 10n ** 15n;
  const size = numerator < 0n ? -numerator : numerator;
  const rounded = (2n * size + denominator) / (2n * denominator);
  return numerator < 0n ? -rounded : rounded;
}

test('more usage never costs less, but where a volume tier makes it', () => {
  fc.assert(
    fc.property(
      catalogDocument({ rising: true }),
      projectDocument({ rising: true }),
      usages,
      usages,
      (document, project, some, more) => {
        const catalog = catalogOf(document);
        const pays = (used: DatedUsage[]): bigint =>
          paid(project, closeMonths(catalog, project, used, months));
        expect(pays([...some, ...more]) >= pays(some)).toBe(true);
      },
    ),
    { numRuns: 100 },
  );
});

test('the order in which totals are read changes no byte', () => {
  fc.assert(
    fc.property(catalogDocument(), projectDocument(), usages, (document, project, used) => {
      const stored = storedMonths(used);
      const month = months.at(-1)!;
      const { totals, daily } = stored.get(month) ?? { totals: new Map(), daily: new Map() };
      const build = (ordered: <T>(items: Iterable<T>) => T[]): string =>
        JSON.stringify(
          buildInvoice({
            ...project,
            catalog: catalogOf(document),
            month,
            periodStart: '',
            periodEnd: '',
            totals: new Map(ordered(totals as Map<string, bigint>)),
            daily: new Map(ordered((daily ?? new Map()) as Map<string, bigint>)),
            history: new Map(ordered(stored)),
            number: '1',
            issuedAt: '',
          }),
        );
      expect(build((items) => [...items].reverse())).toBe(build((items) => [...items]));
    }),
    { numRuns: 100 },
  );
});

test('where no month is priced in parts, totals are enough', () => {
  let enough = 0;
  fc.assert(
    fc.property(catalogDocument(), projectDocument(), usages, (document, project, used) => {
      const catalog = catalogOf(document);
      const stored = storedMonths(used);
      const month = months.at(-1)!;
      const own = stored.get(month) ?? { totals: new Map<string, bigint>() };
      const priced = [month, ...lateMonthsIn(month, own)];
      const inParts = priced.some((of) =>
        needsDays(catalog, project.plans, of, usageOfMonth(of, stored).totals.keys()),
      );
      const build = (withDays: boolean): string => {
        const shown = [...stored].map(([of, { totals, daily }]): [string, StoredMonth] => [
          of,
          withDays && daily ? { totals, daily } : { totals },
        ]);
        const common = { catalog, month, periodStart: '', periodEnd: '', number: '1', issuedAt: '' };
        const history = new Map(shown);
        return JSON.stringify(
          buildInvoice({ ...project, ...common, ...(history.get(month) ?? own), history }),
        );
      };
      if (!inParts) {
        enough += 1;
        expect(build(false)).toBe(build(true));
      }
    }),
    { numRuns: 150 },
  );
  expect(enough).toBeGreaterThan(10);
});
