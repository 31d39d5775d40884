import { parseCopy } from '../../lib/document';
import type { ProjectDocument } from '../../billing/project/project';
import type { Store } from '../store';

/** Puts a project's plan history and profile in the place of what stood there. */
export async function writeProject(store: Store, document: ProjectDocument): Promise<void> {
  await store.redis.hset(store.keys.projects, document.project, JSON.stringify(document));
}

/** A project's plan history and profile; undefined for one that was never set. */
export async function readProject(store: Store, project: string): Promise<ProjectDocument | undefined> {
  const json = await store.redis.hget(store.keys.projects, project);
  return json === null ? undefined : parseProject(project, json);
}

/** What was set of several projects, in their order; undefined for one that was never set. */
export async function readProjectsNamed(
  store: Store,
  projects: readonly string[],
): Promise<(ProjectDocument | undefined)[]> {
  if (projects.length === 0) return [];
  const found = await store.redis.hmget(store.keys.projects, ...projects);
  return found.map((json, i) => (json === null ? undefined : parseProject(projects[i]!, json)));
}

const parseProject = (project: string, json: string): ProjectDocument =>
  parseCopy('project.v1.json', json, `project ${project}`);

/** How many projects were set. */
export function countSetProjects(store: Store): Promise<number> {
  return store.redis.hlen(store.keys.projects);
}

/** A project as it is listed: one whose document is damaged is in the list as well. */
export interface ListedProject extends ProjectDocument {
  readonly isUnreadable?: true;
}

/**
 * All projects that were set, each once, in no order, page by page. One that is set meanwhile may
 * be missed.
 */
export async function* eachPageOfProjects(store: Store): AsyncGenerator<ListedProject[], void, undefined> {
  const seen = new Set<string>(); // HSCAN may show a field twice.
  let position = '0';
  do {
    const [next, entries] = await store.redis.hscan(store.keys.projects, position, 'COUNT', 500);
    position = next;
    const page: ListedProject[] = [];
    for (let i = 0; i < entries.length; i += 2) {
      if (seen.has(entries[i]!)) continue;
      seen.add(entries[i]!);
      page.push(listed(entries[i]!, entries[i + 1]!));
    }
    yield page;
  } while (position !== '0');
}

/** As `eachPageOfProjects`, one by one. */
export async function* eachProject(store: Store): AsyncGenerator<ProjectDocument, void, undefined> {
  for await (const page of eachPageOfProjects(store)) yield* page;
}

function listed(project: string, json: string): ListedProject {
  try {
    return parseProject(project, json);
  } catch {
    return { project, plans: [], isUnreadable: true };
  }
}
