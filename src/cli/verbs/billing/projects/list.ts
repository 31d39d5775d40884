import { Command } from 'commander';
import type { ProjectDocument } from '../../../../billing/project/project';
import { eachProject } from '../../../../redis/views/projects';
import { caughtUp } from '../../../../installation/ledgers/caught-up';
import { withContext, type Context } from '../../../../installation/context';
import { describePlans } from '../../../lib/describe-plans';
import { printJson, printLine, printTable } from '../../../lib/output';

export function verb(): Command {
  return new Command('list')
    .description('List projects with their plan history.')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
Examples:
  tallyman projects list
  tallyman projects list --json | jq -r '.projects[].project'`,
    )
    .action((options: { json?: true }) => withContext((context) => listProjects(context, options)));
}

async function listProjects(context: Context, options: { json?: true }): Promise<void> {
  const projects: ProjectDocument[] = [];
  for await (const document of eachProject(await caughtUp(context, 'projects'))) projects.push(document);
  projects.sort((a, b) => (a.project < b.project ? -1 : 1));
  if (options.json) printJson({ projects });
  else if (projects.length === 0)
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
