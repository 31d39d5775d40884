import { Command } from 'commander';
import { catalogOn, type CatalogOn, type RateOn } from '../../../billing/catalog/catalog-on-day';
import { unpricedByAgents, type UnpricedByAgents } from '../../../billing/catalog/unpriced-by-agents';
import type { CatalogDocument, PriceDocument, TierDocument } from '../../../billing/catalog/catalog';
import { PHONE_NUMBER_LABELS } from '../../../billing/pricing/phone-numbers';
import { builtInCatalogText, loadCatalog } from '../../../installation/catalog-file';
import { TallymanError } from '../../../lib/errors';
import { dayArgument } from '../../lib/arguments';
import { withContext } from '../../../installation/context';
import { groupDigits, printJson, printLine, printTable, writeOutput, type Column } from '../../lib/output';

export function verb(): Command {
  return new Command('catalog')
    .description('Check, show or begin a catalog of plans, included quantities and prices.')
    .addHelpText(
      'after',
      `
Examples:
  tallyman catalog show --plan ship
  tallyman catalog check catalog.json`,
    )
    .addCommand(checkCommand())
    .addCommand(initCommand())
    .addCommand(showCommand());
}

function checkCommand(): Command {
  return new Command('check')
    .description('Check a catalog file, and list every problem with its row. Exits with 1 if there is one.')
    .argument('[file]', 'a JSON file in the format of schemas/catalog.v1.json; the catalog in use by default')
    .option('--against-agents', 'also list the models of livekit-agents that the catalog has no price for')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
--against-agents lists the model names that LiveKit Inference reports in livekit-agents and that the catalog neither
prices nor aliases. Usage of such a model makes its invoice a draft. The exit code stays 0.

Examples:
  tallyman catalog check catalog.json
  tallyman catalog check --against-agents`,
    )
    .action((file: string | undefined, options: CheckOptions) =>
      withContext(({ config }) => {
        check(file ?? config.catalogPath, options);
        return Promise.resolve();
      }),
    );
}

function initCommand(): Command {
  return new Command('init')
    .description('Write the built-in catalog as a file, to start your own from.')
    .argument('<file>', 'the file to write, which must not exist; - for stdout')
    .addHelpText(
      'after',
      `
Change the file, check it, and set TALLYMAN_CATALOG to its path.

Examples:
  tallyman catalog init catalog.json
  tallyman catalog check catalog.json`,
    )
    .action(async (file: string) => {
      if (file === '-') {
        process.stdout.write(builtInCatalogText());
        return;
      }
      await writeOutput(file, builtInCatalogText(), 'wx');
      printLine(file);
    });
}

function showCommand(): Command {
  return new Command('show')
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
    );
}

interface CheckOptions {
  readonly againstAgents?: true;
  readonly json?: true;
}

function check(path: string | undefined, { againstAgents, json }: CheckOptions): void {
  const file = path ?? 'the built-in catalog';
  const { catalog, problems } = loaded(path);
  if (catalog === undefined) {
    if (json) printJson({ file, ok: false, problems });
    else {
      printLine(`${file} is not a valid catalog:`);
      for (const problem of problems) printLine(`  ${problem}`);
    }
    process.exitCode = 1;
    return;
  }
  const agents = againstAgents ? unpricedByAgents(catalog.catalog) : undefined;
  if (json) {
    printJson({ file, ok: true, problems, ...(agents && { agents }) });
    return;
  }
  printLine(`${file} is valid: ${summaryOf(catalog.document)}`);
  if (agents) printUnpriced(agents);
}

/** The catalog, or what is wrong with it. */
function loaded(path: string | undefined): {
  readonly catalog?: ReturnType<typeof loadCatalog>;
  readonly problems: readonly string[];
} {
  try {
    return { catalog: loadCatalog(path), problems: [] };
  } catch (error) {
    if (error instanceof TallymanError && error.code === 'BAD_CATALOG')
      return { problems: error.fields['problems'] as readonly string[] };
    throw error;
  }
}

function summaryOf({ plans, allowances, rates, inference }: CatalogDocument): string {
  const models = new Set(
    [...inference.stt.models, ...inference.llm.models, ...inference.tts.models].map(({ model }) => model),
  );
  return (
    `${new Set(plans.map(({ plan }) => plan)).size} plans, ` +
    `${new Set(allowances.map(({ name }) => name)).size} included quantities, prices of ` +
    `${new Set(rates.map(({ meter }) => meter)).size} meters and ${models.size} models, ` +
    `${Object.keys(inference.aliases).length} other names of models.`
  );
}

function printUnpriced({ version, date, unpriced }: UnpricedByAgents): void {
  printLine(`These model names of livekit-agents ${version}, read on ${date}, have no price:`);
  for (const [kind, { names, of }] of Object.entries(unpriced)) {
    printLine(`  ${kind}, ${names.length} of ${of}: ${names.join(', ') || 'none'}`);
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
  const { plans, allowances, rates, phoneNumbers, currency, day } = shown;
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
  if (phoneNumbers.length === 0) return;
  printLine();
  printTable(
    [
      { title: 'phone number', of: (row) => PHONE_NUMBER_LABELS[row.kind] },
      { title: 'for', of: () => 'per month' },
      ...names.map((name): Column<CatalogOn['phoneNumbers'][number]> => ({
        title: name,
        of: ({ prices, included }) => {
          const price = prices[name] ?? '-';
          return included[name] === 0 ? price : `${included[name]} free, then ${price}`;
        },
        align: 'right',
      })),
      { title: 'from', of: ({ from }) => from },
    ],
    phoneNumbers,
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
