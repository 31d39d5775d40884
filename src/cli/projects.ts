import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { Command } from 'commander';
import type { PlanEntry, Profile, ProjectDocument } from '../billing/project';
import { projectProblems } from '../billing/project-problems';
import { loadCatalog } from '../catalog-file';
import { TallymanError } from '../errors';
import { createProgress } from '../progress';
import { validatorOf } from '../schema';
import { appendLedger } from '../stream/ledger';
import { createPublisher, type Publisher } from '../stream/producer';
import { topicName } from '../stream/topics';
import { eachProject, readProject, writeProject } from '../totals/projects';
import type { Store } from '../totals/store';
import { dayArgument, projectArgument } from './arguments';
import { withContext, type Context } from './context';
import { printJson, printLine, printTable } from './output';

interface SetOptions {
  readonly plan: string;
  readonly from?: string;
  readonly name?: string;
  readonly email?: string;
  readonly address?: string[];
  readonly taxId?: string;
  readonly json?: true;
}

export function projectsVerb(): Command {
  return new Command('projects')
    .description('Plans and profiles of projects.')
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
        .option('--json', 'one JSON document on stdout')
        .addHelpText(
          'after',
          '\nExample:\n  tallyman projects set acme --plan ship --from 2026-10-01 --name "Acme Inc."',
        )
        .action((project: string, options: SetOptions) =>
          withContext((context) => setProject(context, project, options)),
        ),
    )
    .addCommand(
      new Command('import')
        .description('Import projects: one JSON document a line, as schemas/project.v1.json describes it.')
        .argument('<file>', 'NDJSON file')
        .option('--json', 'one JSON document on stdout')
        .action((file: string, options: { json?: true }) =>
          withContext((context) => importProjects(context, file, options)),
        ),
    )
    .addCommand(
      new Command('list')
        .description('List projects with their plan history.')
        .option('--json', 'one JSON document on stdout')
        .action((options: { json?: true }) => withContext((context) => listProjects(context, options))),
    );
}

async function setProject(context: Context, project: string, options: SetOptions): Promise<void> {
  const store = await context.store();
  const before = await readProject(store, project);
  const from =
    options.from ?? context.calendar.dayOf({ seconds: Math.floor(Date.now() / 1000), nanos: 0 }).day;
  const kept = before?.plans.filter((entry) => entry.from !== from) ?? [];
  const plans = [...kept, { plan: options.plan, from }].sort((a, b) => (a.from < b.from ? -1 : 1));
  const profile: Profile = {
    ...before?.profile,
    ...(options.name !== undefined && { name: options.name }),
    ...(options.email !== undefined && { email: options.email }),
    ...(options.address !== undefined && { address: options.address }),
    ...(options.taxId !== undefined && { taxId: options.taxId }),
  };
  const document: ProjectDocument = { ...before, project, plans, profile };
  const publisher = await createPublisher(context.kafka());
  try {
    await saveProjects(context, store, publisher, [document]);
  } finally {
    await publisher.close();
  }
  if (options.json) printJson(document);
  else printLine(`${project}: ${describePlans(plans)}`);
}

async function importProjects(context: Context, file: string, options: { json?: true }): Promise<void> {
  const store = await context.store();
  const publisher = await createPublisher(context.kafka());
  const progress = createProgress('import');
  let imported = 0;
  let page: ProjectDocument[] = [];
  try {
    let number = 0;
    for await (const line of createInterface({
      input: createReadStream(file),
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      number += 1;
      if (line.trim() === '') continue;
      try {
        page.push(JSON.parse(line) as ProjectDocument);
      } catch (error) {
        throw new TallymanError('BAD_LINE', `${file}:${number} is no JSON: ${String(error)}`, {
          file,
          number,
        });
      }
      if (page.length < 500) continue;
      await saveProjects(context, store, publisher, page);
      imported += page.length;
      page = [];
      progress.update(imported);
    }
    await saveProjects(context, store, publisher, page);
    imported += page.length;
  } finally {
    progress.end();
    await publisher.close();
  }
  if (options.json) printJson({ imported });
  else printLine(`Imported ${imported} projects.`);
}

/** Checks, publishes to the ledger, and only then writes to Redis: what Redis shows can be made again from Kafka. */
async function saveProjects(
  { config }: Context,
  store: Store,
  publisher: Publisher,
  documents: readonly ProjectDocument[],
): Promise<void> {
  const validator = validatorOf('project.v1.json');
  const { catalog } = loadCatalog(config.catalogPath);
  for (const document of documents) {
    const problems = validator(document);
    if (problems.length === 0) problems.push(...projectProblems(document, catalog));
    if (problems.length > 0) {
      throw new TallymanError(
        'BAD_PROJECT',
        `project ${JSON.stringify(document.project)}: ${problems.join('; ')}`,
        {
          problems,
        },
      );
    }
  }
  const records = documents.map((document) => ({ key: document.project, value: JSON.stringify(document) }));
  await appendLedger(publisher, topicName(config.prefix, 'billing.projects'), records);
  for (const document of documents) await writeProject(store, document);
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
