import { Command } from 'commander';
import type { CsvColumn } from '../../../../billing/invoice/csv-writer';
import type { PlanEntry, ProjectDocument } from '../../../../billing/project/project';
import { eachProject } from '../../../../redis/views/projects';
import { caughtUp } from '../../../../installation/ledgers/catch-up-views';
import { withContext, type Context } from '../../../../installation/context';
import { describePlans } from '../../../lib/describe-plans';
import { printList, withOutput, type OutputOptions } from '../../../lib/list-output';
import { printLine, printTable } from '../../../lib/output';

export function verb(): Command {
  return withOutput(new Command('list').description('List projects with their plan history.'))
    .addHelpText(
      'after',
      `
Examples:
  tallyman projects list
  tallyman projects list --output csv     one row per plan of a project
  tallyman projects list --json | jq -r '.projects[].project'`,
    )
    .action((options: OutputOptions) => withContext((context) => listProjects(context, options)));
}

const CSV: readonly CsvColumn<{ readonly document: ProjectDocument; readonly entry: Partial<PlanEntry> }>[] =
  [
    ['project', ({ document }) => document.project],
    ['name', ({ document }) => document.profile?.name ?? ''],
    ['email', ({ document }) => document.profile?.email ?? ''],
    ['plan', ({ entry }) => entry.plan ?? ''],
    ['from', ({ entry }) => entry.from ?? '', 'exact'],
    ['budget', ({ document }) => document.profile?.budget ?? '', 'exact'],
  ];

async function listProjects(context: Context, options: OutputOptions): Promise<void> {
  const projects: ProjectDocument[] = [];
  for await (const document of eachProject(await caughtUp(context, 'projects'))) projects.push(document);
  projects.sort((a, b) => (a.project < b.project ? -1 : 1));
  await printList(options, {
    rows: projects.flatMap((document) => {
      const { plans } = document;
      return (plans.length > 0 ? plans : [{}]).map((entry) => ({ document, entry }));
    }),
    csv: CSV,
    document: () => ({ projects }),
    table: () => printProjects(projects),
  });
}

function printProjects(projects: readonly ProjectDocument[]): void {
  if (projects.length === 0)
    printLine('No projects are set. A project that was never set is billed on the default plan.');
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
