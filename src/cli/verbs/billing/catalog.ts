import { Command } from 'commander';
import { catalogOn, type CatalogOn, type RateOn } from '../../../billing/catalog/catalog-on';
import type { CatalogDocument, PriceDocument, TierDocument } from '../../../billing/catalog/catalog';
import { loadCatalog } from '../../../installation/catalog-file';
import { TallymanError } from '../../../lib/errors';
import { dayArgument } from '../../lib/arguments';
import { withContext } from '../../../installation/context';
import { groupDigits, printJson, printLine, printTable, type Column } from '../../lib/output';

export function verb(): Command {
  return new Command('catalog')
    .description('Check or show plans, included quantities and prices.')
    .addHelpText(
      'after',
      `
Examples:
  tallyman catalog show --plan ship
  tallyman catalog check catalog.json`,
    )
    .addCommand(
      new Command('check')
        .description(
          'Check a catalog file, and list every problem with its row. Exits with 1 if there is one.',
        )
        .argument('<file>', 'a JSON file in the format of schemas/catalog.v1.json')
        .option('--json', 'one JSON document on stdout')
        .addHelpText(
          'after',
          `
Examples:
  tallyman catalog check catalog.json`,
        )
        .action(check),
    )
    .addCommand(
      new Command('show')
        .description('Show the plans, included quantities and prices that are valid on a day.')
        .option('--plan <plan>', 'show this plan only')
        .option('--date <day>', 'YYYY-MM-DD in the billing zone; today by default', dayArgument)
        .option('--json', 'one JSON document on stdout')
        .addHelpText(
          'after',
          `
Shows the catalog that TALLYMAN_CATALOG names, or the built-in one.

Examples:
  tallyman catalog show --plan ship
  tallyman catalog show --date 2026-05-31 --json`,
        )
        .action((options: ShowOptions) =>
          withContext(({ config, calendar }) => {
            const seconds = Math.floor(Date.now() / 1000);
            const day = options.date ?? calendar.dayOf({ seconds, nanos: 0 }).day;
            show(loadCatalog(config.catalogPath).document, day, options);
            return Promise.resolve();
          }),
        ),
    );
}

function check(file: string, options: { json?: true }): void {
  const problems = problemsOf(file);
  if (typeof problems === 'string') {
    if (options.json) printJson({ file, ok: true, problems: [] });
    else printLine(problems);
    return;
  }
  if (options.json) printJson({ file, ok: false, problems });
  else {
    printLine(`${file} is not a valid catalog:`);
    for (const problem of problems) printLine(`  ${problem}`);
  }
  process.exitCode = 1;
}

/** What is wrong with the file, or a summary of it if nothing is. */
function problemsOf(file: string): readonly string[] | string {
  try {
    const { plans, allowances, rates, inference } = loadCatalog(file).document;
    const models = new Set(
      [...inference.stt.models, ...inference.llm.models, ...inference.tts.models].map(({ model }) => model),
    );
    return (
      `${file} is valid: ${new Set(plans.map(({ plan }) => plan)).size} plans, ` +
      `${new Set(allowances.map(({ name }) => name)).size} included quantities, prices of ` +
      `${new Set(rates.map(({ meter }) => meter)).size} meters and ${models.size} models, ` +
      `${Object.keys(inference.aliases).length} other names of models.`
    );
  } catch (error) {
    if (error instanceof TallymanError && error.code === 'BAD_CATALOG')
      return error.fields['problems'] as readonly string[];
    throw error;
  }
}

interface ShowOptions {
  readonly plan?: string;
  readonly date?: string;
  readonly json?: true;
}

function show(document: CatalogDocument, day: string, { plan, json }: ShowOptions): void {
  const shown = catalogOn(document, day, plan);
  if (shown.plans.length === 0) {
    const names = catalogOn(document, day).plans.map((row) => row.plan);
    throw new TallymanError(
      'NO_PLAN',
      `${plan === undefined ? 'No plan' : `No plan "${plan}"`} holds on ${day}: the catalog has ${names.join(', ') || 'none then'}.`,
      { plan, day },
    );
  }
  if (json) printJson(shown);
  else print(shown);
}

function print(shown: CatalogOn): void {
  const { plans, allowances, rates, currency, day } = shown;
  const names = plans.map(({ plan }) => plan);
  printLine(
    `Catalog ${shown.name} on ${day}, in ${currency}. A project without a plan has ${shown.defaultPlan}.`,
  );
  printLine();
  printTable(
    [
      { title: 'plan', of: (row) => row.plan },
      { title: 'fee per month', of: (row) => groupDigits(row.fee), align: 'right' },
      { title: 'at the quota', of: (row) => (row.atQuota === 'block' ? 'blocks' : 'charges overage') },
      { title: 'inference credits', of: (row) => row.inferenceCredits ?? '-', align: 'right' },
      { title: 'minimum spend', of: (row) => row.minimumSpend ?? '-', align: 'right' },
      { title: 'from', of: (row) => row.from },
    ],
    plans,
  );
  printLine();
  printTable(
    [
      { title: 'included per month', of: (row) => row.name },
      { title: 'unit', of: (row) => row.unit },
      ...names.map((name): Column<CatalogOn['allowances'][number]> => ({
        title: name,
        of: (row) => groupDigits(row.included[name]!),
        align: 'right',
      })),
      { title: 'shared by', of: (row) => row.meters.join(', ') },
    ],
    allowances,
  );
  printLine();
  printRates(
    'price',
    rates.filter(({ model }) => model === undefined),
    names,
  );
  printLine();
  printRates(
    'price of a model',
    rates.filter(({ model }) => model !== undefined),
    names,
  );
}

function printRates(title: string, rates: readonly RateOn[], plans: readonly string[]): void {
  printTable(
    [
      { title, of: ({ meter, model }) => (model === undefined ? meter : `${meter}/${model}`) },
      {
        title: 'for',
        of: ({ per, unit }) => (per === '1' ? `per ${unit}` : `per ${groupDigits(per)} ${unit}s`),
      },
      ...plans.map((plan): Column<RateOn> => ({
        title: plan,
        of: ({ prices }) => priceText(prices[plan]!),
        align: 'right',
      })),
      { title: 'from', of: ({ from }) => from },
    ],
    rates,
  );
}

function priceText(price: PriceDocument | null): string {
  if (price === null) return '-';
  if (typeof price === 'string') return price;
  if ('package' in price) return `${price.amount} for each ${groupDigits(price.package)} begun`;
  const tierText = ({ upTo, amount }: TierDocument): string =>
    upTo === undefined ? `then ${amount}` : `to ${groupDigits(upTo)} ${amount}`;
  return 'graduated' in price
    ? `graduated: ${price.graduated.map(tierText).join(', ')}`
    : `volume: ${price.volume.map(tierText).join(', ')}`;
}
