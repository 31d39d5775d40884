import type { Profile, ProjectDocument, Tax } from '../../billing/project/project';
import { projectProblems } from '../../billing/project/project-problems';
import { loadCatalog } from '../catalog-file';
import { changeProjects, type ProjectsEditor } from './change-projects';
import { validatorOf } from '../../lib/schema';
import type { Context } from '../context';

/**
 * A plan from a day on, and what of the profile is to change; undefined fields stay as they are.
 */
export interface ProjectChange {
  readonly project: string;
  readonly plan: string;
  readonly from: string;
  readonly profile: { readonly [Field in keyof Profile]: Profile[Field] | undefined };
  readonly tax?: Tax | undefined;
}

/** The project after a change: what it does not name stays, the plans before and after it too. */
export function changedProject(before: ProjectDocument | undefined, change: ProjectChange): ProjectDocument {
  const { project, plan, from, profile, tax } = change;
  const named = Object.fromEntries(Object.entries(profile).filter(([, value]) => value !== undefined));
  return {
    ...before,
    project,
    plans: withRow(before?.plans, { plan, from }),
    profile: {
      ...before?.profile,
      ...named,
      ...(tax !== undefined && { taxes: withRow(before?.profile?.taxes, tax) }),
    },
  };
}

/** In order, with the row in the place of one from the same day. */
function withRow<T extends { readonly from: string }>(rows: readonly T[] | undefined, row: T): T[] {
  const others = (rows ?? []).filter(({ from }) => from !== row.from);
  return [...others, row].sort((a, b) => (a.from < b.from ? -1 : 1));
}

/** A check of project documents by their schema and the catalog: what is wrong with one. */
export function projectChecker({ config }: Context): (document: unknown) => string[] {
  const validator = validatorOf('project.v1.json');
  const { catalog } = loadCatalog(config.catalogPath);
  return (document) => {
    const problems = validator(document);
    return problems.length > 0 ? problems : projectProblems(document as ProjectDocument, catalog);
  };
}

/** Changes projects, each on what the ledger holds of it by then; see `changeProjects`. */
export async function editProjects<T>(
  { config, calendar, kafka, store }: Context,
  change: (editor: ProjectsEditor) => Promise<T>,
): Promise<T> {
  const { prefix } = config;
  return changeProjects({ kafka: kafka(), store: await store(), prefix, calendar }, change);
}
