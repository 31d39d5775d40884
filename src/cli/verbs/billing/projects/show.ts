import { Command } from 'commander';
import { creditBalance } from '../../../../billing/invoice/credits';
import type { ProjectDocument } from '../../../../billing/project/project';
import { issuedInvoices } from '../../../../close/invoice-inputs';
import { TallymanError } from '../../../../lib/errors';
import { readProject } from '../../../../redis/views/projects';
import { projectArgument } from '../../../lib/arguments';
import { caughtUp } from '../../../../installation/ledgers/catch-up-views';
import { withContext, type Context } from '../../../../installation/context';
import { printable, printJson, printLine } from '../../../lib/output';

export function verb(): Command {
  return new Command('show')
    .description('Show the plan history and profile of a project.')
    .argument('<project>', 'project id', projectArgument)
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman projects show acme`,
    )
    .action((project: string, options: { json?: true }) =>
      withContext((context) => showProject(context, project, options)),
    );
}

async function showProject(context: Context, project: string, options: { json?: true }): Promise<void> {
  const document = await readProject(await caughtUp(context, 'projects', 'invoices'), project);
  if (document === undefined) {
    // Loading the schema's checker takes longer than showing a project.
    const { loadCatalog } = await import('../../../../installation/catalog-file.js');
    const { defaultPlan } = loadCatalog(context.config.catalogPath).catalog;
    throw new TallymanError(
      'NO_PROJECT',
      `${project} was never set, so its usage is billed on the plan "${defaultPlan}". \`tallyman projects set\` gives it another plan.`,
      { project },
    );
  }
  const balance = await heldCredit(context, document);
  if (options.json) {
    printJson({ ...document, creditBalance: balance });
    return;
  }
  const { profile = {}, plans, credits = [] } = document;
  printLine(project);
  for (const [title, value] of [
    ['name', profile.name],
    ['email', profile.email],
    ['address', profile.address?.join(', ')],
    ['tax id', profile.taxId],
    ['currency', profile.currency],
    ['budget', profile.budget],
  ] as const) {
    if (value !== undefined) printLine(`  ${title.padEnd(9)} ${printable(value)}`);
  }
  for (const { from, name, rate } of profile.taxes ?? [])
    printLine(`  tax       ${printable(name)} ${rate} from ${from}`);
  for (const { plan, from, overrides } of plans)
    printLine(`  plan      ${plan} from ${from}${overrides ? `, agreed: ${JSON.stringify(overrides)}` : ''}`);
  for (const { month, amount, description } of credits)
    printLine(`  credit    ${amount} in ${month}: ${printable(description)}`);
  if (/[1-9]/.test(balance))
    printLine(`  balance   ${balance} of credit; invoices use it up, and it stays while nothing is due`);
}

/**
 * The correction credits that the project holds today, as a decimal string in the catalog's
 * currency.
 */
async function heldCredit({ store, calendar, config }: Context, document: ProjectDocument): Promise<string> {
  const { credits = [], project } = document;
  const { loadCatalog } = await import('../../../../installation/catalog-file.js');
  const { minorDigits } = loadCatalog(config.catalogPath).catalog;
  const issued = await issuedInvoices(await store(), project);
  return creditBalance(calendar.monthOfMs(Date.now()), credits, issued).toFixed(minorDigits);
}
