import type { ProjectDocument } from '../billing/project';
import type { Store } from './store';

/** Puts a project's plan history and profile in the place of what stood there. */
export async function writeProject(store: Store, document: ProjectDocument): Promise<void> {
  await store.redis.hset(store.keys.projects, document.project, JSON.stringify(document));
}

/** A project's plan history and profile; undefined for one that was never set. */
export async function readProject(store: Store, project: string): Promise<ProjectDocument | undefined> {
  const json = await store.redis.hget(store.keys.projects, project);
  return json === null ? undefined : (JSON.parse(json) as ProjectDocument);
}

/** All projects that were set, each once, in no order. One that is set meanwhile may be missed. */
export async function* eachProject(store: Store): AsyncGenerator<ProjectDocument, void, undefined> {
  const seen = new Set<string>(); // HSCAN may show a field twice.
  let position = '0';
  do {
    const [next, entries] = await store.redis.hscan(store.keys.projects, position, 'COUNT', 500);
    position = next;
    for (let i = 0; i < entries.length; i += 2) {
      if (seen.has(entries[i]!)) continue;
      seen.add(entries[i]!);
      yield JSON.parse(entries[i + 1]!) as ProjectDocument;
    }
  } while (position !== '0');
}
