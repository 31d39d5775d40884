import { Command } from 'commander';
import type { PlanEntry, ProjectDocument } from '../billing/project';
import { loadCatalog } from '../catalog-file';
import { TallymanError } from '../errors';
import { createPublisher } from '../stream/producer';
import { eachProject, readProject } from '../totals/projects';
import { dayArgument, projectArgument } from './arguments';
import { withContext, type Context } from './context';
import { printable, printJson, printLine, printTable } from './output';
import { projectsCompareVerb } from './projects-compare';
import { projectsImportVerb } from './projects-import';
import { changedProject, projectChecker, saveProjects } from './save-projects';

interface SetOptions {
  readonly plan: string;
  readonly from?: string;
  readonly name?: string;
  readonly email?: string;
  readonly address?: string[];
  readonly taxId?: string;
  readonly taxRate?: string;
  readonly taxName?: string;
  readonly budget?: string;
  readonly json?: true;
}

export function projectsVerb(): Command {
  return new Command('projects')
    .description('Plans and profiles of projects.')
    .addHelpText(
      'after',
      `
Examples:
  tallyman projects list
  tallyman projects set acme --plan ship --from 2026-10-01`,
    )
    .addCommand(
      new Command('set')
        .description("Set a project's plan from a day on, and its profile.")
        .argument('<project>', 'project id', projectArgument)
        .requiredOption('--plan <plan>', 'build, ship, scale, or another of the catalog')
        .option('--from <day>', 'YYYY-MM-DD in the billing zone; today by default', dayArgument)
        .option('--name <name>', 'who the invoice is made out to')
        .option('--email <email>')
        .option('--address <line...>')
        .option('--tax-id <id>')
        .option('--tax-rate <fraction>', 'from the same day on: 0.21 is 21 %')
        .option('--tax-name <name>', 'what the invoice calls the tax, e.g. VAT')
        .option('--budget <amount>', 'what the project means to spend a month, e.g. 500.00')
        .option('--json', 'one JSON document on stdout')
        .addHelpText(
          'after',
          '\nExamples:\n  tallyman projects set acme --plan ship --from 2026-10-01 --name "Acme Inc."',
        )
        .action((project: string, options: SetOptions) =>
          withContext((context) => setProject(context, project, options)),
        ),
    )
    .addCommand(
      new Command('show')
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
        ),
    )
    .addCommand(projectsCompareVerb())
    .addCommand(projectsImportVerb())
    .addCommand(
      new Command('list')
        .description('List projects with their plan history.')
        .option('--json', 'one JSON document on stdout')
        .addHelpText(
          'after',
          `
Examples:
  tallyman projects list
  tallyman projects list --json | jq -r '.projects[].project'`,
        )
        .action((options: { json?: true }) => withContext((context) => listProjects(context, options))),
    );
}

async function setProject(context: Context, project: string, options: SetOptions): Promise<void> {
  const store = await context.store();
  const seconds = Math.floor(Date.now() / 1000);
  const from = options.from ?? context.calendar.dayOf({ seconds, nanos: 0 }).day;
  const { plan, taxRate, taxName = 'Tax', name, email, address, taxId, budget } = options;
  const tax = taxRate === undefined ? undefined : { from, name: taxName, rate: taxRate };
  const change = { project, plan, from, profile: { name, email, address, taxId, budget }, tax };
  const document = changedProject(await readProject(store, project), change);
  const problems = projectChecker(context)(document);
  if (problems.length > 0) throw badProject(project, problems);
  const publisher = await createPublisher(context.kafka());
  try {
    await saveProjects(context, publisher, [document]);
  } finally {
    await publisher.close();
  }
  if (options.json) printJson(document);
  else printLine(`${project}: ${describePlans(document.plans)}`);
}

function badProject(project: string, problems: readonly string[]): TallymanError {
  return new TallymanError('BAD_PROJECT', `project ${JSON.stringify(project)}: ${problems.join('; ')}`, {
    problems,
  });
}

async function showProject(context: Context, project: string, options: { json?: true }): Promise<void> {
  const document = await readProject(await context.store(), project);
  if (document === undefined) {
    const { defaultPlan } = loadCatalog(context.config.catalogPath).catalog;
    throw new TallymanError(
      'NO_PROJECT',
      `${project} was never set: its usage is billed on the plan "${defaultPlan}". \`tallyman projects set\` gives it another.`,
      { project },
    );
  }
  if (options.json) {
    printJson(document);
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
}

async function listProjects(context: Context, options: { json?: true }): Promise<void> {
  const projects: ProjectDocument[] = [];
  for await (const document of eachProject(await context.store())) projects.push(document);
  projects.sort((a, b) => (a.project < b.project ? -1 : 1));
  if (options.json) printJson({ projects });
  else if (projects.length === 0)
    printLine('No projects are set. A project without a plan has the default plan.');
  else {
    printTable(
      [
        { title: 'project', of: ({ project }) => project },
        { title: 'name', of: ({ profile }) => profile?.name ?? '' },
        { title: 'plans', of: ({ plans }) => describePlans(plans) },
      ],
      projects,
    );
  }
}

function describePlans(plans: readonly PlanEntry[]): string {
  return plans.map(({ plan, from }) => `${plan} from ${from}`).join(', ');
}
