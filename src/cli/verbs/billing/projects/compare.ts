import type { Command } from 'commander';
import type { CsvColumn } from '../../../../billing/invoice/csv-writer';
import { planOf } from '../../../../billing/invoice/build-invoice';
import { comparePlans, type PlanComparison } from '../../../../billing/invoice/compare-plans';
import { loadCatalog } from '../../../../installation/catalog-file';
import { readInvoiceInput } from '../../../../close/invoice-inputs';
import { readWhole } from '../../../../redis/rebuilding';
import { projectMonthVerb } from '../../../lib/arguments';
import { caughtUp } from '../../../../installation/ledgers/catch-up-views';
import { withContext } from '../../../../installation/context';
import { printList, withOutput, type OutputOptions } from '../../../lib/list-output';
import { groupDigits, printLine, printTable } from '../../../lib/output';

export function verb(): Command {
  return withOutput(
    projectMonthVerb('compare', "Show what a project's usage of a month would cost on each plan."),
  )
    .addHelpText(
      'after',
      `
Each plan is priced for the whole month, without the project's own agreements, late usage of earlier months or correction
credits. A plan that blocks at its quota would have stopped the usage beyond it.

Examples:
  tallyman projects compare acme --month 2026-10`,
    )
    .action(async (project: string, options: OutputOptions & { month?: string }) => {
      await withContext(async (context) => {
        const { calendar, config } = context;
        const store = await caughtUp(context, 'projects', 'invoices');
        const month = options.month ?? calendar.monthOfMs(Date.now());
        const { catalog } = loadCatalog(config.catalogPath);
        const issuedAt = new Date().toISOString();
        const terms = { store, calendar, catalog, month, issuedAt };
        const input = await readWhole(store, () => readInvoiceInput(terms, project, null));
        const compared = comparePlans(input);
        const current = planOf(input);
        await printList(options, {
          rows: compared,
          csv: CSV,
          document: () => documentOf(project, month, catalog.currency, current, compared),
          table: () => print(project, month, current, compared),
        });
      });
    });
}

const CSV: readonly CsvColumn<PlanComparison>[] = [
  ['plan', ({ plan }) => plan],
  ['name', ({ name }) => name],
  ['subtotal', ({ outcome }) => outcome.invoice.subtotal, 'exact'],
  ['credits', ({ outcome }) => outcome.invoice.credits, 'exact'],
  ['tax', ({ outcome }) => outcome.invoice.tax, 'exact'],
  ['total', ({ outcome }) => outcome.invoice.total, 'exact'],
  ['currency', ({ outcome }) => outcome.invoice.currency, 'exact'],
  ['note', noteOf],
];

function documentOf(
  project: string,
  month: string,
  currency: string,
  current: string,
  compared: readonly PlanComparison[],
): unknown {
  return {
    project,
    month,
    currency,
    current,
    plans: compared.map(({ plan, name, outcome: { invoice, overQuota, unpricedModels } }) => ({
      plan,
      name,
      subtotal: invoice.subtotal,
      credits: invoice.credits,
      tax: invoice.tax,
      total: invoice.total,
      overQuota,
      unpricedModels,
    })),
  };
}

function print(project: string, month: string, current: string, compared: readonly PlanComparison[]): void {
  printLine(`The usage of ${project} in ${month}, on each plan:`);
  printLine();
  printTable(
    [
      { title: 'plan', of: ({ plan }) => (plan === current ? `${plan} (now)` : plan) },
      { title: 'subtotal', of: ({ outcome }) => groupDigits(outcome.invoice.subtotal), align: 'right' },
      { title: 'credits', of: ({ outcome }) => groupDigits(outcome.invoice.credits), align: 'right' },
      { title: 'tax', of: ({ outcome }) => groupDigits(outcome.invoice.tax), align: 'right' },
      {
        title: 'total',
        of: ({ outcome: { invoice } }) => `${groupDigits(invoice.total)} ${invoice.currency}`,
        align: 'right',
      },
      { title: 'note', of: noteOf },
    ],
    compared,
  );
}

function noteOf({ outcome: { overQuota, unpricedModels } }: PlanComparison): string {
  const over = overQuota.map(({ name, over: by, unit }) => `${groupDigits(by)} ${unit} of ${name}`);
  return [
    ...(over.length > 0 ? [`would have blocked ${over.join(', ')}`] : []),
    ...(unpricedModels.length > 0 ? [`no price for ${unpricedModels.join(', ')}`] : []),
  ].join('; ');
}
