import type { Profile, ProjectDocument, Tax } from '../../billing/project/project';
import { projectProblems } from '../../billing/project/project-problems';
import { loadCatalog } from '../catalog-file';
import { changeProjects, type ProjectsEditor } from './change-projects';
import { validatorOf } from '../../lib/schema';
import type { Context } from '../context';

/**
 * A plan from a day on, if one is named, and changes to the profile. Undefined fields stay as they
 * are.
 */
export interface ProjectChange {
  readonly project: string;
  readonly plan?: string | undefined;
  readonly from: string;
  readonly profile: { readonly [Field in keyof Profile]: Profile[Field] | undefined };
  readonly tax?: Tax | undefined;
}

/** What the change does not name stays, including the plans before and after it. */
export function changedProject(before: ProjectDocument | undefined, change: ProjectChange): ProjectDocument {
  const { project, plan, from, profile, tax } = change;
  const named = Object.fromEntries(Object.entries(profile).filter(([, value]) => value !== undefined));
  return {
    ...before,
    project,
    plans: plan === undefined ? (before?.plans ?? []) : withRow(before?.plans, { plan, from }),
    profile: {
      ...before?.profile,
      ...named,
      ...(tax !== undefined && { taxes: withRow(before?.profile?.taxes, tax) }),
    },
  };
}

/** In order. The row replaces one from the same day. */
function withRow<T extends { readonly from: string }>(rows: readonly T[] | undefined, row: T): T[] {
  const others = (rows ?? []).filter(({ from }) => from !== row.from);
  return [...others, row].sort((a, b) => (a.from < b.from ? -1 : 1));
}

/**
 * Makes a function that returns the problems of a project document, by its schema and the catalog.
 */
export function projectChecker({ config }: Context): (document: unknown) => string[] {
  const validator = validatorOf('project.v1.json');
  const { catalog } = loadCatalog(config.catalogPath);
  return (document) => {
    const problems = validator(document);
    return problems.length > 0 ? problems : projectProblems(document as ProjectDocument, catalog);
  };
}

/**
 * Changes projects on the latest state of the ledger: see `changeProjects`. A dry run does all but
 * save.
 */
export async function editProjects<T>(
  { config, calendar, kafka, store }: Context,
  change: (editor: ProjectsEditor) => Promise<T>,
  options: { readonly dryRun?: boolean | undefined } = {},
): Promise<T> {
  const { prefix } = config;
  return changeProjects({ kafka: kafka(), store: await store(), prefix, calendar, ...options }, change);
}
