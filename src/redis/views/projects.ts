import { parseCopy } from '../../lib/document';
import type { ProjectDocument } from '../../billing/project/project';
import type { Store } from '../store';

/** Replaces a project's plan history and profile. */
export async function writeProject(store: Store, document: ProjectDocument): Promise<void> {
  await store.redis.hset(store.keys.projects, document.project, JSON.stringify(document));
}

/** A project's plan history and profile; undefined if it was never saved. */
export async function readProject(store: Store, project: string): Promise<ProjectDocument | undefined> {
  const json = await store.redis.hget(store.keys.projects, project);
  return json === null ? undefined : parseProject(project, json);
}

/** The documents of several projects, in their order; undefined for one that was never saved. */
export async function readProjectsNamed(
  store: Store,
  projects: readonly string[],
): Promise<(ProjectDocument | undefined)[]> {
  const found = await readProjectTexts(store, projects);
  return found.map((json, i) => (json === undefined ? undefined : parseProject(projects[i]!, json)));
}

const parseProject = (project: string, json: string): ProjectDocument =>
  parseCopy('project.v1.json', json, `project ${project}`);

/** The same as JSON. */
export async function readProjectTexts(
  store: Store,
  projects: readonly string[],
): Promise<(string | undefined)[]> {
  if (projects.length === 0) return [];
  return (await store.redis.hmget(store.keys.projects, ...projects)).map((json) => json ?? undefined);
}

export function countSetProjects(store: Store): Promise<number> {
  return store.redis.hlen(store.keys.projects);
}

/** A project in a list, which also contains projects whose document is damaged. */
export interface ListedProject extends ProjectDocument {
  readonly isUnreadable?: true;
}

/**
 * All saved projects, each once, unordered, page by page. It may miss one that is saved meanwhile.
 */
export async function* eachPageOfProjects(store: Store): AsyncGenerator<ListedProject[], void, undefined> {
  for await (const page of eachPageOfFields(store))
    yield page.map(([name, json]) => listedProject(name, json));
}

/** The same without their documents. */
export async function* eachPageOfProjectNames(store: Store): AsyncGenerator<string[], void, undefined> {
  for await (const page of eachPageOfFields(store)) yield page.map(([name]) => name);
}

async function* eachPageOfFields(store: Store): AsyncGenerator<[string, string][], void, undefined> {
  const seen = new Set<string>(); // HSCAN may return a field twice.
  let position = '0';
  do {
    const [next, entries] = await store.redis.hscan(store.keys.projects, position, 'COUNT', 500);
    position = next;
    const page: [string, string][] = [];
    for (let i = 0; i < entries.length; i += 2) {
      if (seen.has(entries[i]!)) continue;
      seen.add(entries[i]!);
      page.push([entries[i]!, entries[i + 1]!]);
    }
    yield page;
  } while (position !== '0');
}

/** Like `eachPageOfProjects`, one by one. */
export async function* eachProject(store: Store): AsyncGenerator<ProjectDocument, void, undefined> {
  for await (const page of eachPageOfProjects(store)) yield* page;
}

/** A project for a list, by its document as JSON; undefined if it was never saved. */
export function listedProject(project: string, json: string | undefined): ListedProject {
  if (json === undefined) return { project, plans: [] };
  try {
    return parseProject(project, json);
  } catch {
    return { project, plans: [], isUnreadable: true };
  }
}
