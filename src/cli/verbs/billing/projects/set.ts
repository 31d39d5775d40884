import { Command } from 'commander';
import type { ProjectDocument } from '../../../../billing/project/project';
import { TallymanError } from '../../../../lib/errors';
import { dayArgument, projectArgument } from '../../../lib/arguments';
import { withContext, type Context } from '../../../../installation/context';
import { printJson, printLine } from '../../../lib/output';
import { describePlans } from '../../../lib/describe-plans';
import type { ProjectsEditor } from '../../../../installation/ledgers/change-projects';
import { changedProject, editProjects, projectChecker } from '../../../../installation/ledgers/save-projects';

interface SetOptions {
  readonly plan?: string;
  readonly from?: string;
  readonly name?: string;
  readonly email?: string;
  readonly address?: string[];
  readonly taxId?: string;
  readonly taxRate?: string;
  readonly taxName?: string;
  readonly budget?: string;
  readonly dryRun?: true;
  readonly json?: true;
}

export function verb(): Command {
  return new Command('set')
    .description("Set a project's plan from a day onwards, or its profile.")
    .argument('<project>', 'project id', projectArgument)
    .option('--plan <plan>', 'build, ship, scale, or another plan of the catalog; needed for a new project')
    .option(
      '--from <day>',
      'first day of the plan and the tax rate, YYYY-MM-DD in the billing zone; today by default',
      dayArgument,
    )
    .option('--name <name>', 'who the invoice is made out to')
    .option('--email <email>')
    .option('--address <line...>')
    .option('--tax-id <id>')
    .option('--tax-rate <fraction>', 'tax rate from the same day onwards: 0.21 is 21 %')
    .option('--tax-name <name>', 'what the invoice calls the tax, e.g. VAT')
    .option('--budget <amount>', 'monthly amount at which the project is alerted, e.g. 500.00')
    .option('--dry-run', 'show the result, and change nothing')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Without --plan, the plans stay as they are.

Examples:
  tallyman projects set acme --plan ship --from 2026-10-01 --name "Acme Inc."
  tallyman projects set acme --email billing@acme.example`,
    )
    .action((project: string, options: SetOptions) =>
      withContext((context) => setProject(context, project, options)),
    );
}

async function setProject(context: Context, project: string, options: SetOptions): Promise<void> {
  const seconds = Math.floor(Date.now() / 1000);
  const from = options.from ?? context.calendar.dayOf({ seconds, nanos: 0 }).day;
  const { plan, taxRate, taxName = 'Tax', name, email, address, taxId, budget } = options;
  const tax = taxRate === undefined ? undefined : { from, name: taxName, rate: taxRate };
  const change = { project, plan, from, profile: { name, email, address, taxId, budget }, tax };
  const problemsOf = projectChecker(context);
  const edit = async (editor: ProjectsEditor): Promise<ProjectDocument> => {
    const [before] = await editor.read([project]);
    if (plan === undefined && before === undefined) {
      throw badProject(project, ['it was never set, so --plan is needed']);
    }
    const changed = changedProject(before, change);
    const problems = problemsOf(changed);
    if (problems.length > 0) throw badProject(project, problems);
    const closed = editor.problemsOf(before, changed);
    if (closed.length > 0) throw closedMonthEdit(project, closed);
    await editor.save([before], [changed]);
    return changed;
  };
  const document = await editProjects(context, edit, options);
  if (options.json) printJson(document);
  else
    printLine(
      `${project}: ${describePlans(document.plans)}${options.dryRun ? ' (dry run, nothing was changed)' : ''}`,
    );
}

function badProject(project: string, problems: readonly string[]): TallymanError {
  return new TallymanError('BAD_PROJECT', `project ${JSON.stringify(project)}: ${problems.join('; ')}`, {
    problems,
  });
}

function closedMonthEdit(project: string, problems: readonly string[]): TallymanError {
  return new TallymanError(
    'CLOSED_MONTH_EDIT',
    `project ${JSON.stringify(project)}: ${problems.join('; ')}. Nothing was changed. Name another day with --from.`,
    { problems },
  );
}
