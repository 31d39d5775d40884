import type { Command } from 'commander';
import {
  buildInvoice,
  type InvoiceInput,
  type InvoiceOutcome,
} from '../../../../billing/invoice/build-invoice';
import { forecastUsage } from '../../../../billing/invoice/forecast';
import { loadCatalog } from '../../../../installation/catalog-file';
import { readInvoiceInput } from '../../../../close/invoice-inputs';
import { loadSeller } from '../../../../installation/seller-file';
import { TallymanError } from '../../../../lib/errors';
import { readProject } from '../../../../redis/views/projects';
import { readWhole } from '../../../../redis/rebuilding';
import { projectMonthVerb } from '../../../lib/arguments';
import { caughtUp } from '../../../../installation/ledgers/catch-up-views';
import { withContext } from '../../../../installation/context';
import { groupDigits, printable, printJson, printLine } from '../../../lib/output';
import { printInvoice } from '../../../lib/print-invoice';

export function verb(): Command {
  return projectMonthVerb(
    'preview',
    'Show what a month would cost a project now, with a forecast if the month is still open.',
  )
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman invoices preview acme
  tallyman invoices preview acme --month 2026-10 --json`,
    )
    .action(async (project: string, options: { month?: string; json?: true }) => {
      await withContext(async (context) => {
        const { calendar, config } = context;
        const store = await caughtUp(context, 'projects', 'closes', 'invoices');
        const nowMs = Date.now();
        const month = options.month ?? calendar.monthOfMs(nowMs);
        const terms = {
          store,
          calendar,
          catalog: loadCatalog(config.catalogPath).catalog,
          seller: loadSeller(config.sellerPath),
          month,
          issuedAt: new Date(nowMs).toISOString(),
        };
        const input = await readWhole(store, () => readInvoiceInput(terms, project, null));
        if (input.totals.size === 0 && (await readProject(store, project)) === undefined) {
          throw new TallymanError(
            'NO_PROJECT',
            `${project} was never set, and has no usage in ${month}. \`tallyman projects list\` shows the projects.`,
            { project, month },
          );
        }
        const sofar = buildInvoice(input);
        const forecast = forecastOf(input, nowMs - calendar.monthStart(month), monthMs(calendar, month));
        if (options.json) printJson(documentOf(sofar, forecast));
        else print(sofar, forecast);
      });
    });
}

interface Forecast {
  readonly method: string;
  /** How much of the month has passed, in whole percent. */
  readonly elapsedPercent: number;
  readonly outcome: InvoiceOutcome;
}

const METHOD =
  'Each total is multiplied by month / elapsed time, and the added part is rounded up to whole ' +
  'billing units. Fees, agreed credits and late usage of earlier months stay as they are.';

/** undefined unless the month is under way. */
function forecastOf(input: InvoiceInput, elapsedMs: number, wholeMs: number): Forecast | undefined {
  if (elapsedMs <= 0 || elapsedMs >= wholeMs) return undefined;
  const usage = forecastUsage(input.month, input, elapsedMs, wholeMs);
  return {
    method: METHOD,
    elapsedPercent: Math.floor((elapsedMs * 100) / wholeMs),
    outcome: buildInvoice({ ...input, ...usage }),
  };
}

function monthMs(
  calendar: { monthStart(month: string): number; monthEnd(month: string): number },
  month: string,
): number {
  return calendar.monthEnd(month) - calendar.monthStart(month);
}

/**
 * The preview has the shape of an invoice, so that a program that reads one can show it. `preview`
 * marks it.
 */
function documentOf(sofar: InvoiceOutcome, forecast: Forecast | undefined): unknown {
  const { problems, unpricedModels, overQuota } = sofar;
  return {
    preview: true,
    ...sofar.invoice,
    creditNote: sofar.creditNote,
    problems,
    unpricedModels,
    overQuota,
    forecast: forecast && {
      method: forecast.method,
      elapsedPercent: forecast.elapsedPercent,
      ...forecast.outcome.invoice,
      creditNote: forecast.outcome.creditNote,
      unpricedModels: forecast.outcome.unpricedModels,
      overQuota: forecast.outcome.overQuota,
    },
  };
}

function print(sofar: InvoiceOutcome, forecast: Forecast | undefined): void {
  printInvoice(sofar.invoice, 'PREVIEW, not an invoice:');
  if (sofar.creditNote !== undefined) {
    printLine();
    printInvoice(sofar.creditNote, 'PREVIEW, not a credit note:');
  }
  for (const { code, detail, remedy } of sofar.problems) {
    printLine(`incomplete: ${printable(detail)} [${code}]`);
    printLine(`  -> ${printable(remedy)}`);
  }
  for (const { name, over, unit } of sofar.overQuota)
    printLine(`over the quota, not charged: ${name} by ${groupDigits(over)} ${unit}`);
  if (forecast === undefined) return;
  const { total, currency } = forecast.outcome.invoice;
  printLine();
  printLine(
    `FORECAST for the whole month: ${groupDigits(total)} ${currency} (${forecast.elapsedPercent} % of the month has passed).`,
  );
  printLine(forecast.method);
}
