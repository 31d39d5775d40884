import fc from 'fast-check';
import { buildCatalog } from '../../../src/billing/catalog/build-catalog';
import type { Catalog, CatalogDocument } from '../../../src/billing/catalog/catalog';
import { invoiceCsv } from '../../../src/billing/invoice/invoice-csv';
import type { Invoice } from '../../../src/billing/invoice/invoice';
import { projectProblems } from '../../../src/billing/project/project-problems';
import { catalogDocument, months, projectDocument, usages } from '../../kit/usage/arbitraries';
import { builtInCatalog } from '../../kit/built-in-catalog';
import builtInDocument from '../../../src/billing/catalog/livekit-cloud.json';
import { closeMonths } from '../../kit/usage/usages';

/** Money has the digits of its currency wherever it is written, and what is printed adds up. */

const currencies = [
  ['JPY', 0],
  ['USD', 2],
  ['KWD', 3],
  ['CLF', 4],
] as const;

/** `-12.345` -> -12345n */
const minor = (amount: string): bigint => BigInt(amount.replace('.', ''));

test('the printed lines of every document add up to its printed sums, in every currency', () => {
  let documents = 0;
  fc.assert(
    fc.property(
      catalogDocument(),
      projectDocument(),
      usages,
      fc.constantFrom(...currencies),
      (document, { credits = [], ...project }, used, [currency, minorDigits]) => {
        const answer = buildCatalog(document);
        if (!answer.ok) throw new Error(answer.problems.join('\n'));
        const catalog: Catalog = { ...answer.catalog, currency, minorDigits };
        const whole = credits.map((credit) => ({
          ...credit,
          amount: minorDigits === 0 ? '10' : credit.amount,
        }));
        const payable = whole.filter(({ amount }) => (amount.split('.')[1]?.length ?? 0) <= minorDigits);
        const outcomes = closeMonths(catalog, { ...project, credits: payable }, used, months);
        for (const { invoice, creditNote } of outcomes) {
          for (const one of creditNote === undefined ? [invoice] : [invoice, creditNote]) {
            checkSums(one, minorDigits);
            documents += 1;
          }
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(documents).toBeGreaterThan(1_200);
});

function checkSums(invoice: Invoice, digits: number): void {
  const shape = new RegExp(`^-?\\d+${digits === 0 ? '' : `\\.\\d{${digits}}`}$`);
  const { lines, subtotal, credits, tax, total } = invoice;
  const amounts = [subtotal, credits, tax, total, ...lines.map(({ amount }) => amount!)];
  expect(amounts.filter((amount) => !shape.test(amount))).toEqual([]);
  const money = lines.filter(({ unit }) => unit === invoice.currency);
  expect(money.filter(({ quantity, billable }) => !shape.test(quantity) || !shape.test(billable))).toEqual(
    [],
  );
  const sumOf = (...kinds: string[]): bigint =>
    lines.filter(({ kind }) => kinds.includes(kind)).reduce((sum, { amount }) => sum + minor(amount!), 0n);
  expect(minor(subtotal)).toBe(sumOf('plan', 'usage', 'late'));
  expect(minor(credits)).toBe(sumOf('credit'));
  expect(minor(tax)).toBe(sumOf('tax'));
  expect(minor(total)).toBe(minor(subtotal) + minor(credits) + minor(tax));
  const rows = invoiceCsv(invoice).trimEnd().split('\r\n').slice(1);
  const printed = rows.map((row) => row.split(',').at(-2)!);
  expect(printed.reduce((sum, amount) => sum + minor(amount), 0n)).toBe(minor(total));
}

describe('an amount that cannot be paid is named', () => {
  const catalog = builtInDocument as CatalogDocument;
  const problemsOf = (change: Partial<CatalogDocument>): readonly string[] => {
    const answer = buildCatalog({ ...catalog, ...change });
    return answer.ok ? [] : answer.problems;
  };

  test('in a catalog: fees, credits and minimums, and the digits themselves', () => {
    const [plan, ...plans] = catalog.plans;
    const odd = { ...plan!, fee: '50.005', inferenceCredits: '1.001', minimumSpend: '0.100' };
    expect(problemsOf({ plans: [odd, ...plans] })).toEqual([
      expect.stringMatching(
        /^plans\[0\] \(.+\)\.fee: "50\.005" cannot be paid: USD has 2 digits after the decimal point$/,
      ),
      expect.stringMatching(/^plans\[0\] \(.+\)\.inferenceCredits: /),
    ]);
    expect(problemsOf({ currency: 'JPY' })).toContain(
      'minorDigits: JPY has 0 digits after the decimal point, not 2',
    );
    expect(problemsOf({ currency: 'KWD' })).toContain(
      'minorDigits: KWD has 3 digits after the decimal point, not 2',
    );
    expect(problemsOf({ currency: 'JPY', minorDigits: 0 })).toEqual([
      'plans[0] (build).inferenceCredits: "2.50" cannot be paid: JPY has no digits after the decimal point',
    ]);
    expect(
      problemsOf({ currency: 'KWD', minorDigits: 3, plans: [{ ...odd, inferenceCredits: '0' }, ...plans] }),
    ).toEqual([]);
    expect(problemsOf({ currency: 'XQX', minorDigits: 1 })).toEqual([]); // No currency that anybody knows.
  });

  test.each<[string, number, string]>([
    ['JPY', 0, '12.5'],
    ['USD', 2, '12.505'],
    ['KWD', 3, '0.0005'],
  ])('in a project: credits, agreed fees and the budget, in %s', (currency, minorDigits, amount) => {
    const overrides = { fee: amount, minimumSpend: amount, inferenceCredits: amount };
    const problems = projectProblems(
      {
        project: 'p',
        plans: [{ plan: 'ship', from: '2026-01-01', overrides }],
        profile: { budget: amount },
        credits: [{ month: '2026-07', description: 'Goodwill', amount }],
      },
      { ...builtInCatalog, currency, minorDigits },
    );
    expect(problems.map((problem) => problem.split(':')[0])).toEqual([
      'profile.budget',
      'credits[0].amount',
      'plans[0].overrides.fee',
      'plans[0].overrides.inferenceCredits',
      'plans[0].overrides.minimumSpend',
    ]);
  });
});
