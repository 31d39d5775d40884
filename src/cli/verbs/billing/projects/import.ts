import { isDeepStrictEqual } from 'node:util';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { Command } from 'commander';
import type { ProjectDocument } from '../../../../billing/project/project';
import { readCsv } from '../../../../lib/text/csv-reader';
import type { ProjectsEditor } from '../../../../installation/ledgers/change-projects';
import { TallymanError } from '../../../../lib/errors';
import { repeatableFile, type InputFile } from '../../../../lib/text/input-file';
import { createProgress } from '../../../../lib/progress';
import { NotUtf8Error, utf8Text } from '../../../../lib/text/text-lines';
import { withContext, type Context } from '../../../../installation/context';
import { describePlans } from '../../../lib/describe-plans';
import { printJson, printLine, printTable } from '../../../lib/output';
import {
  changedProject,
  editProjects,
  projectChecker,
  type ProjectChange,
} from '../../../../installation/ledgers/save-projects';

const PAGE = 500;
const PROBLEMS_SHOWN = 50;
const CHANGES_SHOWN = 50;
const COLUMNS = [
  'project',
  'plan',
  'from',
  'name',
  'email',
  'address',
  'taxId',
  'taxRate',
  'taxName',
  'currency',
  'budget',
] as const;
type Column = (typeof COLUMNS)[number];

export function verb(): Command {
  return new Command('import')
    .description(
      'Import projects from NDJSON or CSV. If any line is invalid, every problem is listed and nothing is imported.',
    )
    .argument(
      '<file>',
      'a .csv file, or NDJSON with one document per line (schemas/project.v1.json); - for NDJSON from stdin',
    )
    .option('--dry-run', 'list what would change, and change nothing')
    .option('--json', 'one JSON document on stdout')
    .addHelpText(
      'after',
      `
A document replaces everything that was set for its project. A row of a CSV file changes the project as \`projects set\`
does: other plans and fields stay. The first row names the columns: project, plan and from, which are
required, and any of ${COLUMNS.slice(3).join(', ')}.
Lines of an address are separated by |.

Examples:
  tallyman projects import projects.csv --dry-run
  tallyman projects import projects.csv          with a file such as

  project,plan,from,name,taxRate,taxName
  acme,ship,2026-10-01,"Acme, Inc.",0.21,VAT`,
    )
    .action((file: string, options: ImportOptions) =>
      withContext((context) => importProjects(context, file, options)),
    );
}

interface ImportOptions {
  readonly dryRun?: true;
  readonly json?: true;
}

/** What one line of the file contains: a whole document, or a change. */
type Entry = { readonly document: ProjectDocument } | { readonly change: ProjectChange };
interface EntryLine {
  readonly line: number;
  readonly project: unknown;
  readonly entry: Entry;
}
type Line = EntryLine | { readonly line: number; readonly problem: string };

async function importProjects(context: Context, file: string, options: ImportOptions): Promise<void> {
  const problemsOf = projectChecker(context);
  // It is read twice, and again if another writer came first.
  const input = await repeatableFile(file);
  const edit = async (editor: ProjectsEditor): Promise<{ done: number; changes: Change[] }> => {
    await check(input, problemsOf, editor);
    const progress = createProgress('import');
    const changes: Change[] = [];
    let done = 0;
    try {
      for await (const page of pagesOf(linesOf(input))) {
        const { before, after } = await documentsOf(editor, page);
        await editor.save(before, after);
        if (options.dryRun) changes.push(...changesOf(before, after));
        progress.update((done += page.length));
      }
    } finally {
      progress.end();
    }
    return { done, changes };
  };
  const { done, changes } = await editProjects(context, edit, options);
  if (options.dryRun) showChanges(done, changes, options);
  else if (options.json) printJson({ imported: done });
  else printLine(`Imported ${done.toLocaleString('en-US')} projects.`);
}

/** A project that the import would change, with the names of what it changes. */
interface Change {
  readonly project: string;
  readonly fields: readonly string[];
  readonly before: ProjectDocument | null;
  readonly after: ProjectDocument;
}

function changesOf(
  before: readonly (ProjectDocument | undefined)[],
  after: readonly ProjectDocument[],
): Change[] {
  return after.flatMap((document, i) => {
    const fields = changedFields(before[i], document);
    return fields.length === 0
      ? []
      : [{ project: document.project, fields, before: before[i] ?? null, after: document }];
  });
}

/** `plans`, `profile.name` and so on. */
function changedFields(before: ProjectDocument | undefined, after: ProjectDocument): string[] {
  const [old, changed] = [flat(before), flat(after)];
  return [...new Set([...old.keys(), ...changed.keys()])].filter(
    (field) => !isDeepStrictEqual(old.get(field), changed.get(field)),
  );
}

function flat({ profile = {}, ...rest }: Partial<ProjectDocument> = {}): Map<string, unknown> {
  const ofProfile = Object.entries(profile).map(([name, value]) => [`profile.${name}`, value] as const);
  return new Map<string, unknown>([...Object.entries(rest), ...ofProfile]);
}

function showChanges(checked: number, changes: readonly Change[], { json }: ImportOptions): void {
  if (json) {
    printJson({ dryRun: true, imported: 0, unchanged: checked - changes.length, changes });
    return;
  }
  const added = changes.filter(({ before }) => before === null).length;
  printLine(
    `Would add ${added} projects, change ${changes.length - added} and leave ${checked - changes.length} as they are (dry run, nothing was changed).`,
  );
  if (changes.length === 0) return;
  printTable(
    [
      { title: 'project', of: ({ project }) => project },
      { title: 'change', of: ({ before }) => (before === null ? 'new' : 'changed') },
      { title: 'fields', of: ({ fields }) => fields.filter((field) => field !== 'project').join(', ') },
      { title: 'plans', of: ({ after }) => describePlans(after.plans) },
    ],
    changes.slice(0, CHANGES_SHOWN),
  );
  const more = changes.length - CHANGES_SHOWN;
  if (more > 0) printLine(`... and ${more} more; --json lists all`);
}

/** Reads the whole file before anything is written, and reports every problem. */
async function check(
  input: InputFile,
  problemsOf: (document: unknown) => string[],
  editor: ProjectsEditor,
): Promise<void> {
  const progress = createProgress('check');
  const lineOf = new Map<unknown, number>();
  const problems: string[] = [];
  const closed: string[] = [];
  let checked = 0;
  for await (const page of pagesOf(linesOf(input))) {
    const good: EntryLine[] = [];
    for (const one of page) {
      const tell = (problem: string): unknown => problems.push(`${input.name}:${one.line}: ${problem}`);
      if ('problem' in one) tell(one.problem);
      else {
        const { entry, project, line } = one;
        const found = problemsOf(
          'change' in entry ? changedProject(undefined, entry.change) : entry.document,
        );
        found.forEach(tell);
        if (found.length === 0) good.push(one);
        const earlier = lineOf.get(project);
        if (earlier !== undefined) tell(`project ${JSON.stringify(project)} is also on line ${earlier}`);
        lineOf.set(project, line);
      }
      progress.update((checked += 1));
    }
    const { before, after } = await documentsOf(editor, good);
    for (const [i, { line }] of good.entries())
      for (const problem of editor.problemsOf(before[i], after[i]!))
        closed.push(`${input.name}:${line}: ${problem}`);
  }
  progress.end();
  const all = [...problems, ...closed];
  if (all.length === 0) return;
  const more = all.length - PROBLEMS_SHOWN;
  const shown = [...all.slice(0, PROBLEMS_SHOWN), ...(more > 0 ? [`... and ${more} more`] : [])];
  const message = ['Nothing was imported:', ...shown].join('\n  ');
  if (problems.length > 0) throw new TallymanError('BAD_PROJECTS', message, { problems: all });
  throw new TallymanError('CLOSED_MONTH_EDIT', message, { problems: all });
}

/** The current and the new documents of a page of projects, in its order. */
async function documentsOf(
  editor: ProjectsEditor,
  page: readonly Line[],
): Promise<{ before: (ProjectDocument | undefined)[]; after: ProjectDocument[] }> {
  const entries = page.flatMap((one) => ('entry' in one ? [one.entry] : []));
  const before = await editor.read(
    entries.map((entry) => ('change' in entry ? entry.change.project : entry.document.project)),
  );
  const after = entries.map((entry, i) =>
    'change' in entry ? changedProject(before[i], entry.change) : entry.document,
  );
  return { before, after };
}

async function* linesOf(input: InputFile): AsyncGenerator<Line> {
  const text = utf8Text(input.chunks());
  try {
    if (input.name.endsWith('.csv')) yield* csvLines(text);
    else yield* jsonLines(Readable.from(text));
  } catch (error) {
    if (!(error instanceof NotUtf8Error)) throw error;
    yield { line: error.line, problem: error.problem };
  }
}

async function* jsonLines(input: NodeJS.ReadableStream): AsyncGenerator<Line> {
  let line = 0;
  for await (const text of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
    line += 1;
    if (text.trim() === '') continue;
    try {
      const document = JSON.parse(text) as ProjectDocument;
      yield { line, project: (document as ProjectDocument | null)?.project, entry: { document } };
    } catch (error) {
      yield { line, problem: `is not JSON: ${(error as Error).message}` };
    }
  }
}

async function* csvLines(input: AsyncIterable<string>): AsyncGenerator<Line> {
  const required = COLUMNS.slice(0, 3);
  let names: readonly string[] | undefined;
  for await (const { line, fields } of readCsv(input)) {
    if (names === undefined) {
      names = fields.map((name) => name.trim());
      const unknown = names.filter((name) => !(COLUMNS as readonly string[]).includes(name));
      const missing = required.filter((name) => !names!.includes(name));
      if (unknown.length > 0)
        yield { line, problem: `no column is called ${unknown.join(', ')}: use ${COLUMNS.join(', ')}` };
      if (missing.length > 0) yield { line, problem: `the first row must name ${missing.join(', ')}` };
      if (unknown.length > 0 || missing.length > 0) return;
      continue;
    }
    if (fields.length !== names.length) {
      yield { line, problem: `has ${fields.length} fields, the first row ${names.length}` };
      continue;
    }
    const row = Object.fromEntries(names.map((name, i) => [name, fields[i]!])) as Record<Column, string>;
    const given = (column: Column): string | undefined => row[column] || undefined;
    const rate = given('taxRate');
    const change: ProjectChange = {
      project: row.project,
      plan: row.plan,
      from: row.from,
      profile: {
        name: given('name'),
        email: given('email'),
        address: given('address')
          ?.split('|')
          .map((text) => text.trim()),
        taxId: given('taxId'),
        currency: given('currency'),
        budget: given('budget'),
      },
      tax: rate === undefined ? undefined : { from: row.from, name: given('taxName') ?? 'Tax', rate },
    };
    yield { line, project: row.project, entry: { change } };
  }
  if (names === undefined)
    yield { line: 1, problem: `is missing: the first row must name ${required.join(', ')}` };
}

async function* pagesOf<T>(items: AsyncIterable<T>): AsyncGenerator<T[]> {
  let page: T[] = [];
  for await (const item of items) {
    page.push(item);
    if (page.length < PAGE) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
